#pragma once

// A world without real time: a virtual clock that jumps to the next event, stream sockets in
// memory, and one seed that decides everything that is left to chance: the order of ready tasks,
// latencies, how many bytes a read or write moves, and whether a cancelled operation ends at once
// or later. The same program with the same seed does exactly the same.

#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>

#include <clearway/loop/driver.hpp>

namespace clearway {

struct SimulationOptions {
  std::uint64_t seed = 1;
  // A message takes a random time in this range to reach its peer.
  Duration latency_min = std::chrono::microseconds(10);
  Duration latency_max = std::chrono::milliseconds(1);
  // How often (of 100) a read or write moves fewer bytes than it could.
  unsigned short_transfers = 25;
  // How often (of 100) an operation that could complete at once is made to wait.
  unsigned late_completions = 25;
  // How often (of 100) a cancelled operation ends later instead of at once; data that comes in
  // between wins.
  unsigned late_cancels = 50;
  // Bytes that are on their way or unread before a writer has to wait.
  std::size_t buffer_capacity = 64 * 1024;
  // How often (of 100) a datagram is lost on its way, and how often it arrives twice. Each has a
  // latency of its own, so that later ones overtake earlier ones. Those beyond the capacity above
  // are lost too.
  unsigned datagram_loss = 0;
  unsigned datagram_duplicates = 0;
  // Handles that may be open at once; beyond it open, accept and listen fail with EMFILE.
  std::size_t handle_limit = 100'000;
};

// The driver of a simulated world; see above.
class SimulatedDriver final : public Driver {
 public:
  explicit SimulatedDriver(SimulationOptions options = {});
  ~SimulatedDriver() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "simulated"; }
  [[nodiscard]] bool simulated() const noexcept override { return true; }
  [[nodiscard]] Instant now() noexcept override { return now_; }
  [[nodiscard]] std::int64_t wall_clock() noexcept override;
  std::uint64_t random() noexcept override { return random_(); }
  void wait(Instant deadline) override;
  void wake() noexcept override { woken_ = true; }
  bool submit(Operation& operation) override;
  void cancel(Operation& operation) noexcept override;
  Handle open_stream(int family) override;
  Handle listen(Address& address, int backlog, bool reuse_port) override;
  Handle adopt_listener(int, Address&) override { return -EOPNOTSUPP; }
  int local_address(Handle handle, Address& address) override;
  int peer_address(Handle handle, Address& address) override;
  int shutdown(Handle handle, int how) override;
  void close(Handle handle) override;
  void reset(Handle handle) override;
  int set_no_delay(Handle handle, bool on) override;
  int stream_pair(Handle (&handles)[2]) override;
  Handle open_datagram(int family) override;
  int bind_datagram(Handle handle, Address& address) override;
  int connect_datagram(Handle handle, const Address& peer) override;
  int set_datagram_option(Handle handle, DatagramOption option, int value) override;
  int set_membership(Handle handle, const Address& group, unsigned interface, bool member) override;
  [[nodiscard]] std::size_t open_handles() const noexcept override { return sockets_.size(); }
  std::optional<std::vector<Address>> lookup(std::string_view name) override;
  [[nodiscard]] bool stuck() const noexcept override { return events_.empty() && !woken_; }

  // Makes lookup(name) answer with `addresses`; a name that is not given is not found.
  void add_name(std::string name, std::vector<Address> addresses);
  // Packets to `host` ("10.0.0.1") vanish: neither connecting to it nor datagrams are answered or
  // refused.
  void add_silent_host(std::string host) { silent_.insert(std::move(host)); }
  // Bytes that were received by an operation and never given to its owner would be lost: these two
  // count what was sent and what was handed out, over all sockets.
  [[nodiscard]] std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }
  [[nodiscard]] std::uint64_t bytes_received() const noexcept { return bytes_received_; }

 private:
  struct Socket;
  struct Message;

  bool chance(unsigned percent) noexcept { return random_() % 100 < percent; }
  Duration latency() noexcept;
  void at(Instant when, std::function<void()> event);
  Socket* find(Handle handle) noexcept;
  Handle add(std::unique_ptr<Socket> socket);
  bool attempt(Operation& operation, Socket& socket);
  bool attempt_accept(Operation& operation, Socket& socket);
  bool attempt_receive(Operation& operation, Socket& socket);
  bool attempt_send(Operation& operation, Socket& socket);
  bool attempt_send_file(Operation& operation, Socket& socket);
  bool send_bytes(Operation& operation, Socket& socket, std::string bytes);
  void start_connect(Operation& operation, Socket& socket);
  void arrive(Handle client, const Address& target);
  void progress(Socket& socket);
  void finish(Operation& operation, std::int64_t result);
  void deliver(Socket& from, std::string bytes, bool end, bool reset);
  Socket* listener_for(const Address& address) noexcept;
  bool attempt_receive_datagram(Operation& operation, Socket& socket);
  bool attempt_receive_datagrams(Operation& operation, Socket& socket);
  void send_datagram(Operation& operation, Socket& socket);
  void send_datagrams(Operation& operation, Socket& socket);
  std::int64_t dispatch_datagram(Socket& socket, const Address* to, std::string bytes);
  void arrive_datagram(Handle sender, const Address& from, const Address& target,
                       const std::string& bytes);
  bool takes_datagram(const Socket& socket, const Address& from, const Address& target) const;

  SimulationOptions options_;
  std::mt19937_64 random_;
  Instant now_{};
  bool woken_ = false;
  Handle next_handle_ = 1000;
  std::uint16_t next_port_ = 20000;
  std::uint32_t next_ticket_ = 0;
  std::map<Handle, std::unique_ptr<Socket>> sockets_;
  std::multimap<Instant, std::function<void()>> events_;
  std::map<std::string, std::vector<Address>, std::less<>> names_;
  std::set<std::string> silent_;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t bytes_received_ = 0;
};

}  // namespace clearway
