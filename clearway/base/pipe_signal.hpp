#pragma once

// Calls that raise SIGPIPE when nobody reads any more, and have no flag against it.

#include <cerrno>
#include <csignal>
#include <ctime>

namespace clearway {

// Makes a call without that signal; what other code of the program makes of SIGPIPE stays as it is.
// The signal is looked for whatever the call gave: sendfile() and write() that were cut short raise
// it too, and give what had been sent.
template <class F>
auto without_pipe_signal(F&& call) noexcept {
  sigset_t pipe_signal;
  sigset_t before;
  ::sigemptyset(&pipe_signal);
  ::sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const auto result = call();
  const int code = errno;
  if (::sigismember(&before, SIGPIPE) == 0) {
    constexpr timespec at_once{};
    ::sigtimedwait(&pipe_signal, nullptr, &at_once);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = code;
  return result;
}

}  // namespace clearway
