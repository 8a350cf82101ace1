// A load generator that costs less than the servers it measures:
//   load PORT [--path /] [--connections 64] [--pipeline 1] [--seconds 2] [--requests 0] [--cpu -1]
//   load PORT --hold 1 [--connections 10000] …   one request each, then idle until its input closes
// With --requests it ends after so many instead of after the seconds. It parses one answer in full
// to learn its length and holds every later one to that; an error ends it with a message and
// code 1.

#include <unistd.h>

#include <bench/load/histogram.hpp>
#include <bench/support/clock.hpp>
#include <bench/support/options.hpp>
#include <bench/support/socket.hpp>
#include <cstring>
#include <string>
#include <vector>

namespace {

[[noreturn]] void refuse(const char* why) {
  std::fprintf(stderr, "load: %s\n", why);
  std::exit(1);
}

void send_all(int connection, const char* data, std::size_t size) {
  // A pipeline is far smaller than a socket's buffer, so a short send means a server that is stuck.
  if (send(connection, data, size, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) bench::fail("send");
}

// One request on a blocking connection; gives the length of its answer.
std::size_t probe(int connection, const std::string& request) {
  send_all(connection, request.data(), request.size());
  std::string got;
  char input[4096];
  for (;;) {
    const ssize_t size = recv(connection, input, sizeof input, 0);
    if (size <= 0) refuse("the server closed before a whole answer");
    got.append(input, static_cast<std::size_t>(size));
    const std::size_t head = got.find("\r\n\r\n");
    if (head == got.npos) continue;
    if (got.compare(0, 12, "HTTP/1.1 200") != 0) refuse(("not a 200: " + got).c_str());
    const char* length = strcasestr(got.c_str(), "\r\nContent-Length:");
    if (!length) refuse("the answer has no Content-Length");
    const std::size_t whole = head + 4 + std::strtoul(length + 17, nullptr, 10);
    if (got.size() >= whole) return whole;
  }
}

struct Connection {
  int descriptor;
  std::size_t have = 0;  // bytes of the answer that is arriving
  std::size_t oldest = 0;
  std::vector<std::int64_t> sent;  // a ring of the pipeline's depth: when each request left
};

class Load {
 public:
  Load(int port, std::string request, long depth, long requests)
      : request_(std::move(request)), depth_(static_cast<std::size_t>(depth)), left_(requests) {
    const int connection = bench::connect_to(port);
    answer_size_ = probe(connection, request_);
    close(connection);
    for (long i = 0; i < depth; ++i) pipeline_ += request_;
  }

  void open(int port, long connections) {
    poll_ = bench::check(epoll_create1(0), "epoll_create1");
    connections_.resize(static_cast<std::size_t>(connections));
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      connections_[i].descriptor = bench::connect_to(port);
      connections_[i].sent.resize(depth_);
      bench::watch(poll_, connections_[i].descriptor, EPOLLIN, i);
    }
  }

  void run(double seconds, bool counted) {
    const std::int64_t began = bench::wall_nanoseconds();
    const std::int64_t cpu_began = bench::cpu_nanoseconds();
    const std::int64_t deadline =
        counted ? INT64_MAX : began + static_cast<std::int64_t>(seconds * 1e9);
    counted_ = counted;
    for (Connection& connection : connections_) ask(connection, depth_, began);
    epoll_event events[512];
    std::int64_t now = began;
    while (now < deadline && outstanding_ > 0) {
      const int ready = epoll_wait(poll_, events, 512, 5000);
      if (ready == 0) refuse("no answer for five seconds");
      for (int i = 0; i < ready; ++i) now = receive(connections_[events[i].data.u64]);
    }
    report(now - began, bench::cpu_nanoseconds() - cpu_began);
  }

 private:
  void ask(Connection& connection, std::size_t count, std::int64_t now) {
    if (counted_) {
      count = std::min(count, static_cast<std::size_t>(left_));
      left_ -= static_cast<long>(count);
      if (count == 0) return;
    }
    send_all(connection.descriptor, pipeline_.data(), count * request_.size());
    outstanding_ += count;
    for (std::size_t i = 0; i < count; ++i) {
      connection.sent[(connection.oldest + depth_ - count + i) % depth_] = now;
    }
  }

  std::int64_t receive(Connection& connection) {
    static char input[65536];
    const ssize_t size = recv(connection.descriptor, input, sizeof input, 0);
    if (size <= 0) refuse("the server closed a connection in the middle of the run");
    const std::int64_t now = bench::wall_nanoseconds();
    const std::size_t total = connection.have + static_cast<std::size_t>(size);
    const std::size_t whole = total / answer_size_;
    if (whole > depth_) refuse("more answers than requests, or answers of different lengths");
    for (std::size_t start = connection.have == 0 ? 0 : answer_size_ - connection.have;
         start + 12 <= static_cast<std::size_t>(size); start += answer_size_) {
      if (std::memcmp(input + start, "HTTP/1.1 200", 12) != 0) {
        refuse("an answer that is not a 200, or answers of different lengths");
      }
    }
    connection.have = total % answer_size_;
    for (std::size_t i = 0; i < whole; ++i) {
      times_.add(static_cast<std::uint64_t>(now - connection.sent[connection.oldest]));
      connection.oldest = (connection.oldest + 1) % depth_;
    }
    answered_ += whole;
    outstanding_ -= whole;
    if (whole > 0) ask(connection, whole, now);
    return now;
  }

  void report(std::int64_t nanoseconds, std::int64_t cpu_nanoseconds) const {
    const double seconds = static_cast<double>(nanoseconds) / 1e9;
    std::printf(
        "{\"requests\": %zu, \"seconds\": %.6f, \"rate\": %.1f, \"cpu_seconds\": %.6f, "
        "\"p50_us\": %.1f, \"p99_us\": %.1f}\n",
        answered_, seconds, static_cast<double>(answered_) / seconds,
        static_cast<double>(cpu_nanoseconds) / 1e9,
        static_cast<double>(times_.quantile(0.50)) / 1e3,
        static_cast<double>(times_.quantile(0.99)) / 1e3);
  }

  std::string request_;
  std::string pipeline_;
  std::size_t depth_;
  std::size_t answer_size_ = 0;
  int poll_ = -1;
  std::vector<Connection> connections_;
  bench::Histogram times_;
  bool counted_ = false;
  long left_;
  std::size_t outstanding_ = 0;
  std::size_t answered_ = 0;
};

// Memory per idle connection is measured by the caller while this waits.
void hold(int port, const std::string& request, long connections) {
  std::vector<int> held(static_cast<std::size_t>(connections));
  for (int& connection : held) {
    connection = bench::connect_to(port);
    probe(connection, request);
  }
  std::printf("{\"held\": %ld}\n", connections);
  std::fflush(stdout);
  char byte = 0;
  if (read(STDIN_FILENO, &byte, 1) < 0) bench::fail("read");
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return std::fputs("usage: load PORT [options], see load.cpp\n", stderr), 2;
  const int port = std::atoi(arguments[1]);
  const std::string path = bench::option(count, arguments, "--path", "/");
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const long connections = bench::option(count, arguments, "--connections", 64L);
  bench::pin_to(static_cast<int>(bench::option(count, arguments, "--cpu", -1L)));
  if (bench::option(count, arguments, "--hold", 0L) != 0) {
    hold(port, request, connections);
    return 0;
  }
  const long requests = bench::option(count, arguments, "--requests", 0L);
  Load load(port, request, bench::option(count, arguments, "--pipeline", 1L), requests);
  load.open(port, connections);
  load.run(bench::option(count, arguments, "--seconds", 2.0), requests > 0);
}
