#include "fiber_stacks.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <clearway/inspect/names.hpp>

#include "target_files.hpp"

#if defined(CLEARWAY_HAS_LIBDW) && defined(__x86_64__)
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#endif

namespace clearway::tool {

using inspect::Address;
using inspect::FiberView;
using inspect::StackFrame;

#if defined(CLEARWAY_HAS_LIBDW) && defined(__x86_64__)

class FiberStacks::Unwinder {
 public:
  explicit Unwinder(inspect::Memory& memory);
  Unwinder(const Unwinder&) = delete;
  Unwinder& operator=(const Unwinder&) = delete;
  ~Unwinder() { ::dwfl_end(dwfl_); }

  Stack stack(const FiberView& fiber);

 private:
  static int find_elf(Dwfl_Module* module, void** own, const char* name, Dwarf_Addr begin,
                      char** path, Elf** elf);
  static int take_range(Dwfl_Module* module, void** own, const char* name, Dwarf_Addr begin,
                        void* self);
  static bool read_word(Dwfl* dwfl, Dwarf_Addr address, Dwarf_Word* result, void* self);
  static bool set_registers(Dwfl_Thread* thread, void* self);
  static int visit(Dwfl_Frame* frame, void* self);

  [[nodiscard]] Address word(Address address) const;
  [[nodiscard]] bool is_mapped_file(Address address) const;
  [[nodiscard]] std::string shape(const FiberView& fiber) const;
  std::vector<StackFrame> unwind();
  bool has_tables(Address address);
  bool find_tables(Address address) const;
  const std::vector<StackFrame>& calls_at(Address address);
  std::vector<StackFrame> find_calls(Address address) const;

  inspect::Memory& memory_;
  Dwfl* dwfl_ = nullptr;
  bool ready_ = false;
  const FiberView* fiber_ = nullptr;  // whose stack is being read
  std::vector<Address> calls_;
  std::unordered_map<Address, std::vector<StackFrame>> known_;
  std::unordered_map<Address, bool> tables_;
  std::unordered_map<std::string, Stack> stacks_;   // by shape
  std::vector<std::pair<Address, Address>> files_;  // where they are mapped, in order
  static inline pid_t process_ = 0;  // libdw's callback for files has nothing else to tell by
};

// With its own files: those of the same name here may be others.
int FiberStacks::Unwinder::find_elf(Dwfl_Module* module, void** own, const char* name,
                                    Dwarf_Addr begin, char** path, Elf** elf) {
  if (name[0] != '/') return ::dwfl_linux_proc_find_elf(module, own, name, begin, path, elf);
  std::string opened;
  const int file = open_mapped_file(process_, begin, name, opened);
  if (file >= 0) *path = ::strdup(opened.c_str());
  return file;
}

int FiberStacks::Unwinder::take_range(Dwfl_Module* module, void**, const char*, Dwarf_Addr,
                                      void* self) {
  Dwarf_Addr begin = 0;
  Dwarf_Addr end = 0;
  ::dwfl_module_info(module, nullptr, &begin, &end, nullptr, nullptr, nullptr, nullptr);
  static_cast<Unwinder*>(self)->files_.emplace_back(begin, end);
  return DWARF_CB_OK;
}

FiberStacks::Unwinder::Unwinder(inspect::Memory& memory) : memory_(memory) {
  static char* no_folders = nullptr;
  static constexpr Dwfl_Callbacks files = {.find_elf = find_elf,
                                           .find_debuginfo = ::dwfl_standard_find_debuginfo,
                                           .section_address = nullptr,
                                           .debuginfo_path = &no_folders};
  static constexpr Dwfl_Thread_Callbacks threads = {
      .next_thread = [](Dwfl*, void* self, void** argument) -> pid_t {
        // There is one "thread", the fiber that is being read.
        if (*argument != nullptr) return 0;
        *argument = self;
        return 1;
      },
      .get_thread = nullptr,
      .memory_read = read_word,
      .set_initial_registers = set_registers,
      .detach = nullptr,
      .thread_detach = nullptr};
  process_ = memory.process();
  ::unsetenv("DEBUGINFOD_URLS");  // a program that hangs is not a reason to ask the network
  dwfl_ = ::dwfl_begin(&files);
  if (dwfl_ == nullptr || ::dwfl_linux_proc_report(dwfl_, memory.process()) != 0) return;
  if (::dwfl_report_end(dwfl_, nullptr, nullptr) != 0) return;
  ::dwfl_getmodules(dwfl_, take_range, this, 0);
  std::sort(files_.begin(), files_.end());
  ready_ = ::dwfl_attach_state(dwfl_, nullptr, memory.process(), &threads, this);
}

// A word of the fiber's stack, as it was; 0 elsewhere.
Address FiberStacks::Unwinder::word(Address address) const {
  Address value = 0;
  const Address offset = address - fiber_->context;
  const std::string& copy = fiber_->stack_memory;
  if (offset + sizeof(value) <= copy.size()) {
    std::memcpy(&value, copy.data() + offset, sizeof(value));
  }
  return value;
}

bool FiberStacks::Unwinder::read_word(Dwfl*, Dwarf_Addr address, Dwarf_Word* result, void* self) {
  auto& unwinder = *static_cast<Unwinder*>(self);
  const FiberView& fiber = *unwinder.fiber_;
  if (address >= fiber.context && address - fiber.context < fiber.stack_memory.size()) {
    *result = unwinder.word(address);
    return true;
  }
  return unwinder.memory_.read(address, result, sizeof(*result));
}

// What clearway/fiber/switch.hpp leaves on the stack: where it goes on, rbx, rbp, 128 bytes. The
// other registers are saved where the unwind tables say.
bool FiberStacks::Unwinder::set_registers(Dwfl_Thread* thread, void* self) {
  const auto& unwinder = *static_cast<Unwinder*>(self);
  const Address context = unwinder.fiber_->context;
  // As DWARF numbers them: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, the return address.
  std::array<Dwarf_Word, 17> registers{};
  registers[3] = unwinder.word(context + sizeof(Address));
  registers[6] = unwinder.word(context + 2 * sizeof(Address));
  registers[7] = context + 3 * sizeof(Address) + 128;
  registers[16] = unwinder.word(context);
  return ::dwfl_thread_state_registers(thread, 0, registers.size(), registers.data());
}

int FiberStacks::Unwinder::visit(Dwfl_Frame* frame, void* self) {
  auto& unwinder = *static_cast<Unwinder*>(self);
  auto& calls = unwinder.calls_;
  Dwarf_Addr address = 0;
  constexpr std::size_t most = 128;
  if (calls.size() >= most || !::dwfl_frame_pc(frame, &address, nullptr)) return DWARF_CB_ABORT;
  if (address == 0) return DWARF_CB_ABORT;
  calls.push_back(address - 1);  // all of them are return addresses, behind the call
  // Without tables libdw would guess who called it.
  return unwinder.has_tables(address - 1) ? DWARF_CB_OK : DWARF_CB_ABORT;
}

bool FiberStacks::Unwinder::has_tables(Address address) {
  const auto [known, first] = tables_.try_emplace(address, false);
  if (first) known->second = find_tables(address);
  return known->second;
}

bool FiberStacks::Unwinder::find_tables(Address address) const {
  Dwfl_Module* const module = ::dwfl_addrmodule(dwfl_, address);
  if (module == nullptr) return false;
  for (const auto tables_of : {::dwfl_module_eh_cfi, ::dwfl_module_dwarf_cfi}) {
    Dwarf_Addr bias = 0;
    Dwarf_Frame* frame = nullptr;
    Dwarf_CFI* const tables = tables_of(module, &bias);
    if (tables == nullptr || ::dwarf_cfi_addrframe(tables, address - bias, &frame) != 0) continue;
    std::free(frame);
    return true;
  }
  return false;
}

bool FiberStacks::Unwinder::is_mapped_file(Address address) const {
  const auto after =
      std::upper_bound(files_.begin(), files_.end(), address,
                       [](Address wanted, const auto& file) { return wanted < file.first; });
  return after != files_.begin() && address < std::prev(after)->second;
}

// What unwinding goes by: the words of a stack that lead into code, and those that lead into the
// stack itself, as seen from where it begins. Stacks of the same shape have the same calls.
std::string FiberStacks::Unwinder::shape(const FiberView& fiber) const {
  std::string shape;
  const auto add = [&](Address number) {
    shape.append(reinterpret_cast<const char*>(&number), sizeof(number));
  };
  const Address size = fiber.stack_memory.size();
  for (Address offset = 0; offset + sizeof(Address) <= size; offset += sizeof(Address)) {
    const Address value = word(fiber.context + offset);
    if (is_mapped_file(value)) {
      add(2 * offset);
      add(value);
    } else if (value - fiber.context <= size) {
      add(2 * offset + 1);
      add(value - fiber.context);
    }
  }
  return shape;
}

FiberStacks::Stack FiberStacks::Unwinder::stack(const FiberView& fiber) {
  if (dwfl_ == nullptr) return nullptr;
  fiber_ = &fiber;
  const auto [known, first] = stacks_.try_emplace(shape(fiber));
  if (first) known->second = std::make_shared<const std::vector<StackFrame>>(unwind());
  return known->second;
}

std::vector<StackFrame> FiberStacks::Unwinder::unwind() {
  std::vector<StackFrame> stack;
  calls_.clear();
  if (ready_) {
    ::dwfl_getthread_frames(dwfl_, 1, visit, this);
  } else {
    calls_.push_back(word(fiber_->context) - 1);  // no file can be read
  }
  for (const Address address : calls_) {
    for (const StackFrame& call : calls_at(address)) {
      stack.push_back(call);
      if (call.function.find("clearway::detail::Fiber::Entry") != std::string::npos) return stack;
    }
  }
  return stack;
}

const std::vector<StackFrame>& FiberStacks::Unwinder::calls_at(Address address) {
  const auto known = known_.find(address);
  if (known != known_.end()) return known->second;
  return known_.emplace(address, find_calls(address)).first->second;
}

namespace {

std::string function_name(Dwarf_Die& die) {
  Dwarf_Attribute attribute;
  const char* name =
      ::dwarf_formstring(::dwarf_attr_integrate(&die, DW_AT_linkage_name, &attribute));
  if (name != nullptr) return inspect::demangled(name);
  name = ::dwarf_diename(&die);
  return name == nullptr ? "" : name;
}

// Where an inlined function was called.
inspect::Place call_place(Dwarf_Die& die, Dwarf_Die& unit) {
  Dwarf_Attribute attribute;
  Dwarf_Word file = 0;
  Dwarf_Word line = 0;
  Dwarf_Files* files = nullptr;
  if (::dwarf_formudata(::dwarf_attr(&die, DW_AT_call_file, &attribute), &file) != 0 ||
      ::dwarf_formudata(::dwarf_attr(&die, DW_AT_call_line, &attribute), &line) != 0 ||
      ::dwarf_getsrcfiles(&unit, &files, nullptr) != 0) {
    return {};
  }
  const char* const name = ::dwarf_filesrc(files, file, nullptr, nullptr);
  return {name == nullptr ? "" : name, static_cast<unsigned>(line)};
}

// The functions at an address by the debug information: those that were inlined first.
void add_functions(Dwarf_Die& unit, Dwarf* debug, Dwarf_Addr offset, Address address,
                   inspect::Place at, std::vector<StackFrame>& calls) {
  Dwarf_Die* scopes = nullptr;
  if (::dwarf_getscopes(&unit, offset, &scopes) <= 0) return;
  Dwarf_Die innermost;
  const bool found = ::dwarf_offdie(debug, ::dwarf_dieoffset(&scopes[0]), &innermost) != nullptr;
  std::free(scopes);
  scopes = nullptr;
  const int count = found ? ::dwarf_getscopes_die(&innermost, &scopes) : 0;
  for (int index = 0; index < count; ++index) {
    const int tag = ::dwarf_tag(&scopes[index]);
    if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram) continue;
    calls.push_back({address, function_name(scopes[index]), at, ""});
    if (tag == DW_TAG_subprogram) break;
    at = call_place(scopes[index], unit);
  }
  std::free(scopes);
}

}  // namespace

std::vector<StackFrame> FiberStacks::Unwinder::find_calls(Address address) const {
  std::vector<StackFrame> calls;
  StackFrame call;
  call.address = address;
  Dwfl_Module* const module = ::dwfl_addrmodule(dwfl_, address);
  if (module == nullptr) {
    call.module = "no file: who called it is not known";
    return {call};
  }
  Dwarf_Addr bias = 0;
  const char* const path =
      ::dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  if (path != nullptr) call.module = inspect::file_name(path);
  if (::dwfl_module_getelf(module, &bias) == nullptr) {
    call.module += ", which cannot be read: who called it is not known";
    return {call};
  }
  if (Dwfl_Line* const line = ::dwfl_module_getsrc(module, address)) {
    int number = 0;
    const char* const file = ::dwfl_lineinfo(line, nullptr, &number, nullptr, nullptr, nullptr);
    if (file != nullptr) call.at = {file, static_cast<unsigned>(number)};
  }
  Dwarf* const debug = ::dwfl_module_getdwarf(module, &bias);
  if (Dwarf_Die* const unit = ::dwfl_module_addrdie(module, address, &bias)) {
    add_functions(*unit, debug, address - bias, address, call.at, calls);
  }
  if (!calls.empty()) return calls;
  const char* const symbol = ::dwfl_module_addrname(module, address);
  if (symbol != nullptr) call.function = inspect::demangled(symbol);
  return {call};
}

#else

class FiberStacks::Unwinder {
 public:
  explicit Unwinder(inspect::Memory&) {}
  Stack stack(const FiberView&) { return nullptr; }
};

#endif

FiberStacks::FiberStacks(inspect::Memory& memory) : memory_(memory) {}
FiberStacks::~FiberStacks() = default;

void FiberStacks::fill(std::vector<inspect::TaskView>& tasks) {
  for (inspect::TaskView& task : tasks) {
    for (inspect::FrameView& frame : task.frames) {
      if (!frame.fiber || frame.fiber->stack_memory.empty()) continue;
      if (unwinder_ == nullptr) unwinder_ = std::make_unique<Unwinder>(memory_);
      frame.fiber->stack = unwinder_->stack(*frame.fiber);
      std::string().swap(frame.fiber->stack_memory);
    }
    fill(task.children);
  }
}

void FiberStacks::fill(inspect::ProcessView& view) {
  for (inspect::LoopView& loop : view.loops) fill(loop.tasks);
}

}  // namespace clearway::tool
