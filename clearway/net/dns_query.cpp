#include <clearway/net/dns_query.hpp>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include <ares.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/loop/descriptor_limit.hpp>
#include <clearway/loop/loop.hpp>
#include <clearway/net/error.hpp>

namespace clearway::detail {

// Waiting for one direction of one of c-ares' sockets.
class DnsQuery::Wait final : public Operation {
 public:
  Wait(DnsQuery& query, Socket& socket, Kind direction) noexcept : query_(query), socket_(socket) {
    kind = direction;
  }
  void completed() override {
    if (result == -ECANCELED) return;
    query_.ready(socket_, kind == Kind::writable);
    query_.settle();
  }

  bool wanted = false;

 private:
  DnsQuery& query_;
  Socket& socket_;
};

struct DnsQuery::Socket {
  Socket(DnsQuery& query, int number) noexcept
      : descriptor(number),
        read(query, *this, Operation::Kind::readable),
        write(query, *this, Operation::Kind::writable) {
    read.handle = write.handle = number;
  }
  int descriptor;
  Wait read;
  Wait write;
};

DnsQuery::DnsQuery(std::string host, int family, const ResolveOptions& options)
    : host_(std::move(host)), family_(family), timeout_(options.timeout) {
  static std::once_flag once;
  std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
  ares_options settings{};
  settings.sock_state_cb = [](void* self, ares_socket_t socket, int readable, int writable) {
    static_cast<DnsQuery*>(self)->want(socket, readable != 0, writable != 0);
  };
  settings.sock_state_cb_data = this;
  int status = ares_init_options(&channel_, &settings, ARES_OPT_SOCK_STATE_CB);
  if (status == ARES_SUCCESS && options.server_port != 0) {
    ares_addr_port_node server{};
    server.family = AF_INET;
    server.addr.addr4.s_addr = htonl(options.server_ipv4);
    server.udp_port = server.tcp_port = options.server_port;
    status = ares_set_servers_ports(channel_, &server);
  }
  if (status != ARES_SUCCESS) {
    if (channel_ != nullptr) ares_destroy(std::exchange(channel_, nullptr));
    throw ResolveError(host_, ResolveError::Reason::failed,
                       fmt::format("cannot resolve \"{}\": c-ares cannot start: {}", host_,
                                   ares_strerror(status)));
  }
}

DnsQuery::~DnsQuery() {
  stopping_ = true;
  if (channel_ != nullptr) ares_destroy(channel_);
}

bool DnsQuery::start(PromiseBase& frame) {
  if (!begin(frame)) return true;
  deadline_ = after(Loop::current().now(), timeout_);
  ares_addrinfo_hints hints{};
  hints.ai_family = family_;
  hints.ai_socktype = SOCK_STREAM;
  settling_ = true;  // an answer that comes at once is not a wake-up
  ares_getaddrinfo(
      channel_, host_.c_str(), nullptr, &hints,
      [](void* self, int status, int, ares_addrinfo* answer) {
        static_cast<DnsQuery*>(self)->answered(status, answer);
      },
      this);
  settling_ = false;
  woken_ = answered_;
  if (answered_) return !done_at_once();
  settle();
  return true;
}

void DnsQuery::answered(int status, ares_addrinfo* answer) {
  status_ = status;
  answered_ = true;
  if (answer == nullptr) return;
  answer_.lifetime = Duration::max();
  for (const ares_addrinfo_node* node = answer->nodes; node != nullptr; node = node->ai_next) {
    answer_.addresses.push_back(Address::from_system(node->ai_addr, node->ai_addrlen));
    answer_.lifetime =
        std::min<Duration>(answer_.lifetime, std::chrono::seconds(std::max(node->ai_ttl, 0)));
  }
  // An alias is as short-lived as what it stands for.
  for (const ares_addrinfo_cname* alias = answer->cnames; alias != nullptr; alias = alias->next) {
    answer_.lifetime =
        std::min<Duration>(answer_.lifetime, std::chrono::seconds(std::max(alias->ttl, 0)));
  }
  ares_freeaddrinfo(answer);
}

void DnsQuery::want(int descriptor, bool readable, bool writable) {
  const auto found = std::find_if(sockets_.begin(), sockets_.end(), [&](const auto& socket) {
    return socket->descriptor == descriptor;
  });
  Socket* socket = found == sockets_.end() ? nullptr : found->get();
  if (socket == nullptr) {
    if (!readable && !writable) return;
    socket = sockets_.emplace_back(std::make_unique<Socket>(*this, descriptor)).get();
  }
  socket->read.wanted = readable;
  socket->write.wanted = writable;
  // Not waiting any more often means that the socket is about to be closed.
  Driver& driver = Loop::current().driver();
  if (!readable && socket->read.pending) driver.cancel(socket->read);
  if (!writable && socket->write.pending) driver.cancel(socket->write);
}

void DnsQuery::ready(const Socket& socket, bool writes) {
  const bool nested = std::exchange(settling_, true);
  ares_process_fd(channel_, writes ? ARES_SOCKET_BAD : socket.descriptor,
                  writes ? socket.descriptor : ARES_SOCKET_BAD);
  settling_ = nested;
}

void DnsQuery::settle() {
  if (std::exchange(settling_, true)) return;
  Driver& driver = Loop::current().driver();
  for (std::size_t index = 0; index < sockets_.size() && !answered_;) {
    Socket& socket = *sockets_[index];
    bool moved = false;
    for (Wait* wait : {&socket.read, &socket.write}) {
      if (!wait->wanted || wait->pending || answered_ || !driver.submit(*wait)) continue;
      ready(socket, wait == &socket.write);
      moved = true;
    }
    index = moved ? 0 : index + 1;
  }
  settling_ = false;
  TimerQueue& timers = Loop::current().timers();
  timers.cancel(*this);
  if (answered_) {
    if (!stopping_ && !std::exchange(woken_, true)) wake();
    return;
  }
  timeval next{};
  Instant look_again = deadline_;
  if (ares_timeout(channel_, nullptr, &next) != nullptr) {
    const Duration length =
        std::chrono::seconds(next.tv_sec) + std::chrono::microseconds(next.tv_usec);
    look_again = std::min(look_again, after(Loop::current().now(), length));
  }
  timers.set(*this, look_again);
}

void DnsQuery::expired() {
  settling_ = true;
  if (Loop::current().now() >= deadline_) {
    timed_out_ = true;
    ares_cancel(channel_);
  } else {
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }
  settling_ = false;
  settle();
}

void DnsQuery::stop() noexcept {
  stopping_ = true;
  Loop::current().timers().cancel(*this);
  ares_cancel(channel_);
  wake_cancelled();
}

NameAnswer DnsQuery::await_resume() {
  throw_if_cancelled();
  if (answer_.addresses.empty()) explain_failure();
  return std::move(answer_);
}

std::string DnsQuery::servers() const {
  ares_addr_port_node* first = nullptr;
  if (ares_get_servers_ports(channel_, &first) != ARES_SUCCESS || first == nullptr) return "(none)";
  std::string names;
  for (const ares_addr_port_node* node = first; node != nullptr; node = node->next) {
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(node->family, &node->addr, text, sizeof text);
    if (!names.empty()) names += ", ";
    names += text;
  }
  ares_free_data(first);
  return names;
}

void DnsQuery::explain_failure() {
  using Reason = ResolveError::Reason;
  const auto because = [this](Reason reason, std::string_view text) {
    answer_.reason = reason;
    answer_.message = fmt::format("cannot resolve \"{}\": {}", host_, text);
  };
  if (timed_out_ || status_ == ARES_ETIMEOUT) {
    const double seconds = std::chrono::duration<double>(timeout_).count();
    return because(Reason::no_answer,
                   fmt::format("no answer from the DNS server {} within {:.3g} s; is the network "
                               "up, and is /etc/resolv.conf right?",
                               servers(), seconds));
  }
  switch (status_) {
    case ARES_ENOTFOUND:
      return because(Reason::unknown_host, "unknown host; is it spelled right?");
    case ARES_SUCCESS:
    case ARES_ENODATA:
      return because(Reason::no_address, "the name exists, but has no IPv4 or IPv6 address");
    case ARES_EBADNAME:
    case ARES_EBADSTR:
      return because(Reason::unknown_host, "that is not a host's name");
    case ARES_ECONNREFUSED:
      if (const Descriptor probe(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); !probe.valid()) {
        const int code = errno;
        return because(Reason::failed, system_message(code) + descriptor_limit_hint(code));
      }
      return because(
          Reason::no_answer,
          fmt::format("the DNS server {} cannot be reached; is the network up?", servers()));
    default:
      return because(Reason::failed,
                     fmt::format("{} (DNS server {})", ares_strerror(status_), servers()));
  }
}

}  // namespace clearway::detail
