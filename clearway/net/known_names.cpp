#include <clearway/net/known_names.hpp>

#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/loop/loop.hpp>
#include <clearway/net/error.hpp>
#include <clearway/net/idna.hpp>

namespace clearway::detail {
namespace {

constexpr const char* hosts_path = "/etc/hosts";

char small(char letter) noexcept {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter | 0x20) : letter;
}

bool same_name(std::string_view left, std::string_view right) noexcept {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return small(a) == small(b); });
}

// RFC 6761, section 6.3: "localhost" and the names below it are this machine, whatever DNS says.
bool is_localhost(std::string_view name) noexcept {
  constexpr std::string_view localhost = "localhost";
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.size() < localhost.size()) return false;
  const std::size_t head = name.size() - localhost.size();
  return same_name(name.substr(head), localhost) && (head == 0 || name[head - 1] == '.');
}

// A loop's copy of /etc/hosts, read again when the file has changed.
class HostsFile final : public LoopService {
 public:
  explicit HostsFile(Loop&) noexcept {}

  std::string_view text() {
    struct stat now{};
    if (::stat(hosts_path, &now) != 0) return {};
    if (now.st_mtim.tv_sec != read_.st_mtim.tv_sec || now.st_ino != read_.st_ino ||
        now.st_mtim.tv_nsec != read_.st_mtim.tv_nsec || now.st_size != read_.st_size) {
      std::ostringstream content;
      content << std::ifstream(hosts_path).rdbuf();
      text_ = std::move(content).str();
      read_ = now;
    }
    return text_;
  }

 private:
  struct stat read_{};
  std::string text_;
};

std::string_view take_word(std::string_view& line) noexcept {
  constexpr std::string_view blank = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(blank), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(blank));
  line.remove_prefix(word.size());
  return word;
}

[[noreturn]] void refuse_name(const std::string& host, std::string_view why) {
  throw ResolveError(host, ResolveError::Reason::unknown_host,
                     fmt::format("cannot resolve {}", why));
}

}  // namespace

std::string ascii_name(const std::string& host) {
  if (host.empty() || host.find('\0') != std::string::npos) {
    refuse_name(host, "a host's name that is empty or holds a zero byte");
  }
  std::string problem;
  std::string name = idna_to_ascii(host, problem);
  if (name.empty()) {
    refuse_name(
        host, fmt::format("\"{}\", which is not an international host's name: {}", host, problem));
  }
  return name;
}

std::vector<Address> hosts_entries(std::string_view text, std::string_view name,
                                   std::uint16_t port) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::vector<Address> found;
  std::ptrdiff_t v6 = 0;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line = line.substr(0, line.find('#'));
    const auto address = Address::ip(take_word(line), port);
    if (!address) continue;
    for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
      if (!same_name(word, name)) continue;
      const bool first = address->family() == AF_INET6;
      found.insert(first ? found.begin() + v6++ : found.end(), *address);
      break;
    }
  }
  return found;
}

bool has_route(const Address& address) noexcept {
  if (Loop::current_or_null()->driver().simulated()) return true;
  const Descriptor probe(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  Address target = address;
  if (target.port() == 0) target.set_port(1);
  return probe.valid() && ::connect(probe.get(), target.data(), target.size()) == 0;
}

std::optional<std::vector<Address>> known_addresses(const std::string& host, std::uint16_t port) {
  if (const auto literal = Address::ip(host, port)) return std::vector<Address>(1, *literal);
  Loop& loop = Loop::current();
  if (auto known = loop.driver().lookup(host); known && !known->empty()) {
    for (Address& address : *known) address.set_port(port);
    return known;
  }
  if (is_localhost(host)) {
    return std::vector<Address>{Address::loopback(port), *Address::ip("::1", port)};
  }
  if (loop.driver().simulated()) {
    throw ResolveError(
        host, ResolveError::Reason::unknown_host,
        fmt::format("cannot resolve \"{}\": unknown host; a simulated world knows the names that "
                    "SimulatedDriver::add_name() gave it",
                    host));
  }
  std::vector<Address> listed = hosts_entries(loop.service<HostsFile>().text(), host, port);
  if (listed.empty()) return std::nullopt;
  return listed;
}

}  // namespace clearway::detail
