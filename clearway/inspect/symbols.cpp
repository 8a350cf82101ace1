#include <clearway/inspect/symbols.hpp>

#include CLEARWAY_BACKTRACE_HEADER
#include <dlfcn.h>
#include <clearway/inspect/names.hpp>

namespace clearway::inspect {
namespace {

void ignore_error(void*, const char*, int) {}

struct Lookup {
  std::vector<StackFrame>& frames;
  std::uintptr_t address;
  bool found = false;
};

int take_line(void* data, std::uintptr_t, const char* file, int line, const char* function) {
  auto& lookup = *static_cast<Lookup*>(data);
  if (function == nullptr && file == nullptr) return 0;
  StackFrame frame;
  frame.address = lookup.address;
  if (function != nullptr) frame.function = demangled(function);
  if (file != nullptr) frame.at = {file, static_cast<unsigned>(line)};
  lookup.found = lookup.found || function != nullptr;
  lookup.frames.push_back(std::move(frame));
  return 0;
}

void take_symbol(void* data, std::uintptr_t, const char* symbol, std::uintptr_t, std::uintptr_t) {
  if (symbol != nullptr) static_cast<StackFrame*>(data)->function = demangled(symbol);
}

}  // namespace

std::vector<StackFrame> symbolize(const std::vector<std::uintptr_t>& addresses) {
  static backtrace_state* const state = ::backtrace_create_state(nullptr, 1, ignore_error, nullptr);
  std::vector<StackFrame> frames;
  for (const std::uintptr_t address : addresses) {
    const std::size_t before = frames.size();
    Lookup lookup{frames, address};
    if (state != nullptr) ::backtrace_pcinfo(state, address, take_line, ignore_error, &lookup);
    if (lookup.found) continue;
    frames.resize(before);
    StackFrame frame;
    frame.address = address;
    if (state != nullptr) ::backtrace_syminfo(state, address, take_symbol, ignore_error, &frame);
    Dl_info module{};
    if (::dladdr(reinterpret_cast<void*>(address), &module) != 0) {
      if (frame.function.empty() && module.dli_sname != nullptr) {
        frame.function = demangled(module.dli_sname);
      }
      if (module.dli_fname != nullptr) frame.module = file_name(module.dli_fname);
    }
    frames.push_back(std::move(frame));
  }
  return frames;
}

}  // namespace clearway::inspect
