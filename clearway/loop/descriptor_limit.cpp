#include <clearway/loop/descriptor_limit.hpp>

#include <cerrno>

#include <fmt/format.h>
#include <sys/resource.h>

namespace clearway {

DescriptorLimit descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  return {.soft = limit.rlim_cur, .hard = limit.rlim_max};
}

void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::string descriptor_limit_hint(int code) {
  if (code == ENFILE) {
    return "; the whole system is out of file descriptors, raise the sysctl fs.file-max";
  }
  if (code != EMFILE) return "";
  const DescriptorLimit limit = descriptor_limit();
  if (limit.soft < limit.hard) {
    return fmt::format(
        "; this process has all the {} descriptors open that its soft limit allows (hard limit "
        "{}): raise it with `ulimit -n {}`, or keep fewer connections",
        limit.soft, limit.hard, limit.hard);
  }
  return fmt::format(
      "; this process has all the {} descriptors open that it may have: raise the hard limit "
      "(`ulimit -Hn` as root, LimitNOFILE= in systemd), or keep fewer connections",
      limit.hard);
}

}  // namespace clearway
