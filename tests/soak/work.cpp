#include <tests/soak/work.hpp>

#include <ranges>

#include <fmt/format.h>
#include <clearway/os/file.hpp>
#include <clearway/os/process.hpp>

namespace clearway::soak {
namespace {

using namespace std::chrono_literals;

void require(bool holds, std::string_view what) {
  if (!holds) throw Error(std::string(what));
}

bool simulated() { return Loop::current().driver().simulated(); }

Task<> write_and_end(Stream& stream, std::string data) {
  co_await stream.write_view(data);
  co_await stream.shutdown_write();
}

Task<> send_and_end(Stream& stream, std::string path, std::size_t size) {
  File file = co_await File::open(path);
  co_await stream.send_file(file, 0, size);
  co_await stream.shutdown_write();
}

Task<> echo_through(Stream stream, std::string data) {
  const auto [nothing, back] =
      co_await gather(write_and_end(stream, data), stream.read_all(data.size()));
  require(back == data, "other bytes came back over a stream");
}

}  // namespace

const std::array<Work::Kind, 11> Work::kinds = {{
    {"tcp", &Work::tcp},
    {"tls", &Work::tls},
    {"udp", &Work::udp},
    {"names", &Work::names},
    {"files", &Work::files},
    {"file over tcp", &Work::file_over_tcp},
    {"processes", &Work::processes},
    {"timers", &Work::timers},
    {"queues", &Work::queues},
    {"threads", &Work::threads},
    {"web", &Work::web},
}};

Work::Work(Servers& servers, Tally& tally, std::uint64_t seed)
    : servers_(servers), tally_(tally), random_(seed) {}

Task<> Work::run(int workers, Duration length) {
  http::Session session(servers_.web(), {.limit = 8});
  session_ = &session;
  const Instant end = after(Loop::current().now(), length);
  const auto one = [&](int number) { return worker(number, end); };
  co_await gather(std::views::iota(0, workers), one);
  session_ = nullptr;
}

Task<> Work::worker(int number, Instant end) {
  while (Loop::current().now() < end) co_await attempt(number);
}

// Half of all is cancelled somewhere, most of it early.
Task<> Work::attempt(int number) {
  const Kind& kind = kinds[random(kinds.size())];
  const bool cancels = random(2) == 0;
  const std::size_t most = random(2) == 0 ? 500 : 20'000;
  const Duration patience = cancels ? Duration(std::chrono::microseconds(random(most))) : 60s;
  try {
    const auto ended = co_await move_on_after(patience, (this->*kind.doing)(number));
    if (!ended && !cancels) throw Error("it took more than a minute");
    ++(ended ? tally_.done : tally_.cancelled);
    ++tally_.by_kind[std::string(kind.name)];
  } catch (const std::exception& error) {
    ++tally_.failed;
    if (tally_.failures.size() < 20) {
      ++tally_.failures[fmt::format("{}: {}", kind.name, error.what())];
    }
  }
}

Task<> Work::tcp(int) {
  const std::size_t size = random(200'000);
  Stream stream = co_await connect(servers_.echo());
  co_await echo_through(std::move(stream), pattern(size));
}

Task<> Work::tls(int) {
  const std::size_t size = random(100'000);
  Stream stream = co_await tls_connect("localhost", servers_.secure().port(), servers_.trust());
  co_await echo_through(std::move(stream), pattern(size));
}

Task<> Work::udp(int) {
  const std::string data = pattern(random(2000));
  UdpSocket socket = co_await connect_udp(servers_.datagrams());
  const auto receive = [&]() -> Task<std::string> { co_return co_await socket.receive(); };
  for (int tries = 0; tries < 50; ++tries) {
    co_await socket.send_view(data);
    const auto answer = co_await move_on_after(500ms, receive());
    if (!answer) continue;
    require(*answer == data, "other bytes came back as a datagram");
    co_return;
  }
  throw Error("no datagram came back");
}

Task<> Work::names(int) {
  if (simulated()) co_return;
  const auto ask = [&](int) {
    return resolve(fmt::format("host-{}.example", random(200)), 80, servers_.names());
  };
  const auto answers = co_await gather(std::views::iota(0, 3), ask);
  for (const auto& addresses : answers) {
    require(addresses.size() == 1 && addresses.front().host() == "127.0.0.1", "a wrong address");
  }
}

Task<> Work::files(int worker) {
  const std::string path = fmt::format("{}/file-{}", servers_.directory(), worker);
  const std::string content = pattern(random(50'000));
  if (random(4) == 0) {
    co_await replace_file(path, content);
  } else {
    co_await write_file(path, content);
  }
  const std::string back = co_await read_file(path);
  require(back == content, "other bytes came back from a file");
  File file = co_await File::open(path);
  std::size_t lines = 0;
  while (auto line = co_await file.read_line()) lines += line->size();
  require(lines == content.size(), "a line of a file was lost");
  const auto entries = co_await list_directory(servers_.directory());
  require(!entries.empty(), "an empty directory");
}

Task<> Work::file_over_tcp(int) {
  constexpr std::size_t size = Servers::file_size;
  Stream stream = co_await connect(servers_.echo());
  const auto [nothing, back] = co_await gather(
      send_and_end(stream, servers_.directory() + "/web.bin", size), stream.read_all(size));
  require(back == pattern(size), "other bytes came back of a file");
}

Task<> Work::processes(int) {
  if (simulated()) co_return;
  const auto permit = co_await processes_.acquire();
  if (random(2) == 0) {
    Command command("cat");
    command.input(pattern(5000));
    const std::string text = co_await command.text();
    require(text == pattern(5000), "other bytes came back from a process");
  } else {
    const ExitStatus status = co_await Command("sleep", "0.02").run();
    require(status.success(), "sleep failed");
  }
}

Task<> Work::timers(int) {
  const auto one = [&](int) { return sleep(std::chrono::microseconds(random(3000))); };
  co_await gather(std::views::iota(0, 50), one);
}

Task<> Work::queues(int) {
  Queue<int> queue(random(4));
  int sum = 0;
  const auto produce = [&]() -> Task<> {
    for (int number = 1; number <= 100; ++number) {
      co_await queue.put(number);
      if (number % 25 == 0) co_await yield();
    }
    queue.close();
  };
  const auto consume = [&]() -> Task<> {
    while (const auto number = co_await queue.get()) sum += *number;
  };
  co_await gather(produce(), consume(), consume());
  require(sum == 5050, "a queue has lost a number");
}

Task<> Work::threads(int) {
  const std::size_t size = random(10'000);
  const std::string text = co_await to_thread(pattern, size);
  require(text.size() == size, "a thread gave something else");
}

Task<> Work::web(int) {
  http::Session& session = *session_;
  switch (random(5)) {
    case 0: {
      const std::string text = co_await session.get("/small").text();
      require(text == "Hello, world!", "another answer");
      break;
    }
    case 1: {
      const std::string text = co_await session.get("/slow").text();
      require(text == "done", "another answer");
      break;
    }
    case 2: {
      const std::string body = pattern(random(100'000));
      const std::string text = co_await session.post("/echo").body(body).text();
      require(text == body, "other bytes came back from a server");
      break;
    }
    case 3: {
      const std::string text = co_await session.get("/file").text();
      require(text == pattern(Servers::file_size), "other bytes of a file from a server");
      break;
    }
    default: {
      const std::string text = co_await session.get("/stream").text();
      require(text == std::string(10'000, 'x'), "other bytes of a stream from a server");
    }
  }
}

}  // namespace clearway::soak
