#pragma once

// libc's own functions, as far as they are hooked.

#include <csignal>
#include <ctime>

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <clearway/fiber_hooks/hook.hpp>

namespace clearway::hooks {

// Streams
inline constinit Real<ssize_t(int, void*, size_t)> real_read("read");
inline constinit Real<ssize_t(int, const iovec*, int)> real_readv("readv");
inline constinit Real<ssize_t(int, void*, size_t, int)> real_recv("recv");
inline constinit Real<ssize_t(int, void*, size_t, int, sockaddr*, socklen_t*)> real_recvfrom(
    "recvfrom");
inline constinit Real<ssize_t(int, msghdr*, int)> real_recvmsg("recvmsg");
inline constinit Real<int(int, mmsghdr*, unsigned, int, timespec*)> real_recvmmsg("recvmmsg");
inline constinit Real<ssize_t(int, void*, size_t, size_t)> real_read_chk("__read_chk");
inline constinit Real<ssize_t(int, void*, size_t, size_t, int)> real_recv_chk("__recv_chk");
inline constinit Real<ssize_t(int, void*, size_t, size_t, int, sockaddr*, socklen_t*)>
    real_recvfrom_chk("__recvfrom_chk");
inline constinit Real<ssize_t(int, const void*, size_t)> real_write("write");
inline constinit Real<ssize_t(int, const iovec*, int)> real_writev("writev");
inline constinit Real<ssize_t(int, const void*, size_t, int)> real_send("send");
inline constinit Real<ssize_t(int, const void*, size_t, int, const sockaddr*, socklen_t)>
    real_sendto("sendto");
inline constinit Real<ssize_t(int, const msghdr*, int)> real_sendmsg("sendmsg");
inline constinit Real<int(int, mmsghdr*, unsigned, int)> real_sendmmsg("sendmmsg");
inline constinit Real<ssize_t(int, int, off_t*, size_t)> real_sendfile("sendfile");
inline constinit Real<int(int, const sockaddr*, socklen_t)> real_connect("connect");
inline constinit Real<int(int, sockaddr*, socklen_t*)> real_accept("accept");
inline constinit Real<int(int, sockaddr*, socklen_t*, int)> real_accept4("accept4");

// Waiting
inline constinit Real<int(pollfd*, nfds_t, int)> real_poll("poll");
inline constinit Real<int(pollfd*, nfds_t, const timespec*, const sigset_t*)> real_ppoll("ppoll");
inline constinit Real<int(pollfd*, nfds_t, int, size_t)> real_poll_chk("__poll_chk");
inline constinit Real<int(pollfd*, nfds_t, const timespec*, const sigset_t*, size_t)>
    real_ppoll_chk("__ppoll_chk");
inline constinit Real<int(int, fd_set*, fd_set*, fd_set*, timeval*)> real_select("select");
inline constinit Real<int(int, fd_set*, fd_set*, fd_set*, const timespec*, const sigset_t*)>
    real_pselect("pselect");
inline constinit Real<int(int, epoll_event*, int, int)> real_epoll_wait("epoll_wait");
inline constinit Real<int(int, epoll_event*, int, int, const sigset_t*)> real_epoll_pwait(
    "epoll_pwait");
inline constinit Real<int(int, epoll_event*, int, const timespec*, const sigset_t*)>
    real_epoll_pwait2("epoll_pwait2");
inline constinit Real<int(const timespec*, timespec*)> real_nanosleep("nanosleep");
inline constinit Real<int(clockid_t, int, const timespec*, timespec*)> real_clock_nanosleep(
    "clock_nanosleep");
inline constinit Real<int(useconds_t)> real_usleep("usleep");
inline constinit Real<unsigned(unsigned)> real_sleep("sleep");
inline constinit Real<int(const timespec*, timespec*)> real_thread_sleep("thrd_sleep");
inline constinit Real<int()> real_sched_yield("sched_yield");
inline constinit Real<int(int, int)> real_flock("flock");

// Descriptors
inline constinit Real<int(int)> real_close("close");
inline constinit Real<int(int, int)> real_dup2("dup2");
inline constinit Real<int(int, int, int)> real_dup3("dup3");
inline constinit Real<int(FILE*)> real_fclose("fclose");

// Names
inline constinit Real<int(const char*, const char*, const addrinfo*, addrinfo**)> real_getaddrinfo(
    "getaddrinfo");
inline constinit Real<int(const sockaddr*, socklen_t, char*, socklen_t, char*, socklen_t, int)>
    real_getnameinfo("getnameinfo");
inline constinit Real<hostent*(const char*)> real_gethostbyname("gethostbyname");
inline constinit Real<hostent*(const char*, int)> real_gethostbyname2("gethostbyname2");
inline constinit Real<int(const char*, hostent*, char*, size_t, hostent**, int*)>
    real_gethostbyname_r("gethostbyname_r");
inline constinit Real<int(const char*, int, hostent*, char*, size_t, hostent**, int*)>
    real_gethostbyname2_r("gethostbyname2_r");
inline constinit Real<hostent*(const void*, socklen_t, int)> real_gethostbyaddr("gethostbyaddr");
inline constinit Real<int(const void*, socklen_t, int, hostent*, char*, size_t, hostent**, int*)>
    real_gethostbyaddr_r("gethostbyaddr_r");

// Threads and processes
inline constinit Real<int(pthread_t, void**)> real_pthread_join("pthread_join");
inline constinit Real<int(pthread_mutex_t*)> real_mutex_lock("pthread_mutex_lock");
inline constinit Real<int(pthread_mutex_t*)> real_mutex_trylock("pthread_mutex_trylock");
inline constinit Real<int(pthread_mutex_t*)> real_mutex_unlock("pthread_mutex_unlock");
inline constinit Real<int(pthread_mutex_t*, const timespec*)> real_mutex_timedlock(
    "pthread_mutex_timedlock");
inline constinit Real<int(pthread_mutex_t*, clockid_t, const timespec*)> real_mutex_clocklock(
    "pthread_mutex_clocklock");
inline constinit Real<int(pthread_rwlock_t*)> real_rwlock_rdlock("pthread_rwlock_rdlock");
inline constinit Real<int(pthread_rwlock_t*)> real_rwlock_tryrdlock("pthread_rwlock_tryrdlock");
inline constinit Real<int(pthread_rwlock_t*, const timespec*)> real_rwlock_timedrdlock(
    "pthread_rwlock_timedrdlock");
inline constinit Real<int(pthread_rwlock_t*, clockid_t, const timespec*)> real_rwlock_clockrdlock(
    "pthread_rwlock_clockrdlock");
inline constinit Real<int(pthread_rwlock_t*)> real_rwlock_wrlock("pthread_rwlock_wrlock");
inline constinit Real<int(pthread_rwlock_t*)> real_rwlock_trywrlock("pthread_rwlock_trywrlock");
inline constinit Real<int(pthread_rwlock_t*, const timespec*)> real_rwlock_timedwrlock(
    "pthread_rwlock_timedwrlock");
inline constinit Real<int(pthread_rwlock_t*, clockid_t, const timespec*)> real_rwlock_clockwrlock(
    "pthread_rwlock_clockwrlock");
inline constinit Real<int(pthread_rwlock_t*)> real_rwlock_unlock("pthread_rwlock_unlock");
inline constinit Real<pid_t(pid_t, int*, int)> real_waitpid("waitpid");
inline constinit Real<pid_t(pid_t, int*, int, rusage*)> real_wait4("wait4");
inline constinit Real<int(idtype_t, id_t, siginfo_t*, int)> real_waitid("waitid");
inline constinit Real<int(const char*)> real_system("system");
inline constinit Real<FILE*(const char*, const char*)> real_popen("popen");
inline constinit Real<int(FILE*)> real_pclose("pclose");

}  // namespace clearway::hooks
