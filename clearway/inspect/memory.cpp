#include <clearway/inspect/memory.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace clearway::inspect {

Memory::Memory(pid_t process) noexcept : process_(process) {}

Memory::~Memory() {
  if (file_ >= 0) ::close(file_);
}

// The system call itself: sanitizers would look into what the wrapper reads. The last argument goes
// over the stack, where an int would leave half a word as it is.
bool Memory::fetch(Address address, char* into) {
  const iovec here{into, page_size};
  const iovec there{reinterpret_cast<void*>(address), page_size};
  const long got = ::syscall(SYS_process_vm_readv, process_, &here, 1L, &there, 1L, 0L);
  if (got == static_cast<long>(page_size)) return true;
  failure_ = errno;
  if (failure_ != EPERM && failure_ != ENOSYS) return false;
  if (file_ < 0) {
    file_ = ::open(fmt::format("/proc/{}/mem", process_).c_str(), O_RDONLY | O_CLOEXEC);
  }
  if (file_ < 0) return false;
  return ::pread64(file_, into, page_size, static_cast<off64_t>(address)) ==
         static_cast<ssize_t>(page_size);
}

const Memory::Page& Memory::page(Address number) {
  std::unique_ptr<Page>& kept = pages_[number];
  if (kept == nullptr) {
    kept = std::make_unique<Page>();
    kept->there = fetch(number * page_size, kept->bytes);
  }
  return *kept;
}

bool Memory::read(Address address, void* into, std::size_t size) {
  constexpr Address end_of_user_space = Address{1} << 56;
  if (address < page_size || address > end_of_user_space) return false;
  char* to = static_cast<char*>(into);
  while (size > 0) {
    const Page& from = page(address / page_size);
    if (!from.there) return false;
    const std::size_t begin = address % page_size;
    const std::size_t part = std::min(size, page_size - begin);
    std::memcpy(to, from.bytes + begin, part);
    to += part;
    address += part;
    size -= part;
  }
  return true;
}

std::string Memory::text(Address address, std::size_t most) {
  std::string text;
  for (char character = 0; text.size() < most; text += character) {
    if (!read(address + text.size(), &character, 1)) return "";
    if (character == '\0') return text;
  }
  return "";
}

std::string Memory::string(Address address) {
  constexpr std::size_t longest = 4096;
  const Address data = pointer(address);
  const auto size = get<std::uint64_t>(address + sizeof(Address)).value_or(0);
  std::string text(std::min<std::uint64_t>(size, longest), '\0');
  return read(data, text.data(), text.size()) ? text : "";
}

}  // namespace clearway::inspect
