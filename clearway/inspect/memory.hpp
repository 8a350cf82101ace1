#pragma once

// The memory of a process, this one or another, as the kernel copies it: an address that is wrong,
// or has become wrong since, gives an answer and no crash. Nothing runs in the process that is
// read.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <unordered_map>

#include <sys/types.h>

namespace clearway::inspect {

// An address in the process that is read.
using Address = std::uint64_t;

class Memory {
 public:
  explicit Memory(pid_t process) noexcept;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory();

  // False when some of it is not there. Pages are kept: what was read once is not read again.
  bool read(Address address, void* into, std::size_t size);
  template <class T>
    requires std::is_trivially_copyable_v<T>
  std::optional<T> get(Address address) {
    T value;
    if (!read(address, &value, sizeof(value))) return std::nullopt;
    return value;
  }
  // 0 where it cannot be read.
  Address pointer(Address address) { return get<Address>(address).value_or(0); }
  // A string that ends with 0; "" when it cannot be read or is longer than `most`.
  std::string text(Address address, std::size_t most = 4096);
  // A std::string of libstdc++.
  std::string string(Address address);

  // What comes next is read anew.
  void forget() noexcept { pages_.clear(); }
  // Why the latest page could not be read: an errno value; 0 when every one could.
  [[nodiscard]] int failure() const noexcept { return failure_; }
  [[nodiscard]] pid_t process() const noexcept { return process_; }

 private:
  static constexpr std::size_t page_size = 4096;
  struct Page {
    bool there = false;
    char bytes[page_size];
  };
  const Page& page(Address number);
  bool fetch(Address address, char* into);

  pid_t process_;
  int file_ = -1;  // /proc/PID/mem, where process_vm_readv() is forbidden
  int failure_ = 0;
  std::unordered_map<Address, std::unique_ptr<Page>> pages_;
};

}  // namespace clearway::inspect
