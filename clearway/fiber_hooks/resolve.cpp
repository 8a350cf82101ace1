#include <clearway/fiber_hooks/real.hpp>
#include <clearway/fiber_hooks/self_test.hpp>

namespace clearway::hooks {

namespace {

void resolve_threads() {
  static_cast<void>(real_pthread_join.get());
  static_cast<void>(real_mutex_lock.get());
  static_cast<void>(real_mutex_trylock.get());
  static_cast<void>(real_mutex_unlock.get());
  static_cast<void>(real_mutex_timedlock.get());
  static_cast<void>(real_mutex_clocklock.get());
  static_cast<void>(real_rwlock_rdlock.get());
  static_cast<void>(real_rwlock_tryrdlock.get());
  static_cast<void>(real_rwlock_timedrdlock.get());
  static_cast<void>(real_rwlock_clockrdlock.get());
  static_cast<void>(real_rwlock_wrlock.get());
  static_cast<void>(real_rwlock_trywrlock.get());
  static_cast<void>(real_rwlock_timedwrlock.get());
  static_cast<void>(real_rwlock_clockwrlock.get());
  static_cast<void>(real_rwlock_unlock.get());
  static_cast<void>(real_waitpid.get());
  static_cast<void>(real_wait4.get());
  static_cast<void>(real_waitid.get());
  static_cast<void>(real_system.get());
  static_cast<void>(real_popen.get());
  static_cast<void>(real_pclose.get());
}

}  // namespace

void resolve_all() {
  resolve_queries();
  resolve_loading();
  static_cast<void>(real_read.get());
  static_cast<void>(real_readv.get());
  static_cast<void>(real_recv.get());
  static_cast<void>(real_recvfrom.get());
  static_cast<void>(real_recvmsg.get());
  static_cast<void>(real_recvmmsg.get());
  static_cast<void>(real_read_chk.get());
  static_cast<void>(real_recv_chk.get());
  static_cast<void>(real_recvfrom_chk.get());
  static_cast<void>(real_write.get());
  static_cast<void>(real_writev.get());
  static_cast<void>(real_send.get());
  static_cast<void>(real_sendto.get());
  static_cast<void>(real_sendmsg.get());
  static_cast<void>(real_sendmmsg.get());
  static_cast<void>(real_sendfile.get());
  static_cast<void>(real_connect.get());
  static_cast<void>(real_accept.get());
  static_cast<void>(real_accept4.get());
  static_cast<void>(real_poll.get());
  static_cast<void>(real_ppoll.get());
  static_cast<void>(real_poll_chk.get());
  static_cast<void>(real_ppoll_chk.get());
  static_cast<void>(real_select.get());
  static_cast<void>(real_pselect.get());
  static_cast<void>(real_epoll_wait.get());
  static_cast<void>(real_epoll_pwait.get());
  static_cast<void>(real_epoll_pwait2.get());
  static_cast<void>(real_nanosleep.get());
  static_cast<void>(real_clock_nanosleep.get());
  static_cast<void>(real_usleep.get());
  static_cast<void>(real_sleep.get());
  static_cast<void>(real_thread_sleep.get());
  static_cast<void>(real_sched_yield.get());
  static_cast<void>(real_flock.get());
  static_cast<void>(real_close.get());
  static_cast<void>(real_dup2.get());
  static_cast<void>(real_dup3.get());
  static_cast<void>(real_fclose.get());
  static_cast<void>(real_getaddrinfo.get());
  static_cast<void>(real_getnameinfo.get());
  static_cast<void>(real_gethostbyname.get());
  static_cast<void>(real_gethostbyname2.get());
  static_cast<void>(real_gethostbyname_r.get());
  static_cast<void>(real_gethostbyname2_r.get());
  static_cast<void>(real_gethostbyaddr.get());
  static_cast<void>(real_gethostbyaddr_r.get());
  resolve_threads();
}

}  // namespace clearway::hooks
