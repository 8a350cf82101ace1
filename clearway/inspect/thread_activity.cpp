#include <clearway/inspect/thread_activity.hpp>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <clearway/base/error.hpp>

namespace clearway::inspect {
namespace {

std::string read_file(const std::string& path) {
  std::string text;
  if (std::FILE* file = std::fopen(path.c_str(), "re")) {
    char part[1024];
    for (std::size_t got = 0; (got = std::fread(part, 1, sizeof(part), file)) > 0;) {
      text.append(part, got);
    }
    std::fclose(file);
  }
  return text;
}

std::string of_thread(pid_t process, pid_t thread, const char* file) {
  return read_file(fmt::format("/proc/{}/task/{}/{}", process, thread, file));
}

struct CallName {
  long number;
  const char* name;
  bool on_descriptor;
};
// Those in which programs sleep.
constexpr auto calls = std::to_array<CallName>({
    {SYS_read, "read", true},
    {SYS_write, "write", true},
    {SYS_readv, "readv", true},
    {SYS_writev, "writev", true},
    {SYS_pread64, "pread", true},
    {SYS_pwrite64, "pwrite", true},
    {SYS_preadv, "preadv", true},
    {SYS_pwritev, "pwritev", true},
    {SYS_sendfile, "sendfile", true},
    {SYS_connect, "connect", true},
    {SYS_accept, "accept", true},
    {SYS_accept4, "accept4", true},
    {SYS_recvfrom, "recv", true},
    {SYS_recvmsg, "recvmsg", true},
    {SYS_sendto, "send", true},
    {SYS_sendmsg, "sendmsg", true},
    {SYS_fsync, "fsync", true},
    {SYS_fdatasync, "fdatasync", true},
    {SYS_flock, "flock", true},
    {SYS_fcntl, "fcntl", true},
    {SYS_ioctl, "ioctl", true},
    {SYS_openat, "openat", false},
    {SYS_ppoll, "ppoll", false},
    {SYS_pselect6, "select", false},
    {SYS_epoll_pwait, "epoll_wait", true},
#ifdef SYS_poll
    {SYS_poll, "poll", false},
    {SYS_select, "select", false},
    {SYS_epoll_wait, "epoll_wait", true},
#endif
    {SYS_nanosleep, "nanosleep", false},
    {SYS_clock_nanosleep, "nanosleep", false},
    {SYS_futex, "futex", false},
    {SYS_wait4, "waitpid", false},
    {SYS_waitid, "waitid", false},
    {SYS_rt_sigtimedwait, "sigwait", false},
    {SYS_restart_syscall, "a call that was interrupted", false},
});

std::string descriptor_text(pid_t process, std::uint64_t descriptor) {
  char target[256] = {};
  const std::string path = fmt::format("/proc/{}/fd/{}", process, descriptor);
  if (::readlink(path.c_str(), target, sizeof(target) - 1) <= 0) {
    return fmt::format(" on descriptor {}", descriptor);
  }
  return fmt::format(" on descriptor {} ({})", descriptor, target);
}

// /proc/PID/task/TID/syscall: the call's number and its arguments, or "running".
std::string call_text(pid_t process, pid_t thread) {
  const std::string text = of_thread(process, thread, "syscall");
  long number = -1;
  unsigned long long first = 0;
  if (std::sscanf(text.c_str(), "%ld 0x%llx", &number, &first) != 2 || number < 0) return "";
  for (const CallName& call : calls) {
    if (call.number != number) continue;
    std::string name = call.name;
    if (number == SYS_futex) return "futex(): a lock, or a condition that another thread signals";
    if (number != SYS_restart_syscall) name += "()";
    return call.on_descriptor ? name + descriptor_text(process, first) : name;
  }
  return fmt::format("system call {}", number);
}

}  // namespace

std::string thread_activity(pid_t process, pid_t thread) {
  errno = 0;
  const std::string stat = of_thread(process, thread, "stat");
  const int code = errno;
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= stat.size()) {
    // There may be no descriptor left, or no /proc: the kernel is asked without them.
    if (::syscall(SYS_tgkill, process, thread, 0) != 0 && errno == ESRCH) return "is gone";
    return fmt::format("cannot be looked at (/proc: {})", system_message(code));
  }
  const char state = stat[name_end + 2];
  if (state == 'R') return "burns CPU";
  if (state == 'T' || state == 't') return "is stopped";
  std::string what = call_text(process, thread);
  if (what.empty()) what = of_thread(process, thread, "wchan");
  if (what.empty() || what == "0") what = "the kernel";
  const char* const how = state == 'D' ? "waits uninterruptibly in " : "sleeps in ";
  return how + what;
}

std::optional<ProcessorTimes> processor_times(pid_t process, pid_t thread) {
  const std::string text = of_thread(process, thread, "schedstat");
  unsigned long long on = 0;
  unsigned long long waiting = 0;
  if (std::sscanf(text.c_str(), "%llu %llu", &on, &waiting) != 2) return std::nullopt;
  return ProcessorTimes{Duration(on), Duration(waiting)};
}

bool traced() {
  const std::string status = read_file("/proc/self/status");
  constexpr std::string_view key = "TracerPid:\t";
  const std::size_t at = status.find(key);
  return at != std::string::npos && at + key.size() < status.size() &&
         status[at + key.size()] != '0';
}

}  // namespace clearway::inspect
