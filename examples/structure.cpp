// Structure, deadlines, cleanup: groups, races, timeouts, results instead of exceptions.

#include <fmt/format.h>
#include <clearway/clearway.hpp>

#include "support/program.hpp"

using namespace clearway;
using namespace std::chrono_literals;

struct Room {
  Queue<std::string> arrivals{8};
  int pings = 0;
};

Task<> ping_everyone(Room& room) {
  co_await every(20ms, [&] { ++room.pings; });
}

Task<> talk_to(Room& room, std::string guest) {
  co_await sleep(50ms);
  fmt::print("{} has been greeted after {} pings\n", guest, room.pings > 0 ? "some" : "no");
}

Task<> serve_room(Room& room) {
  co_await task_group([&](TaskGroup& group) -> Task<> {
    auto pinger = group.start(ping_everyone, std::ref(room));
    pinger.set_name("pinger");
    while (auto guest = co_await room.arrivals.get()) {
      group.start(talk_to, std::ref(room), std::move(*guest));
    }
    pinger.cancel();
  });  // here every child has ended
  fmt::print("the room is empty\n");
}

Task<> guests_arrive(Room& room) {
  for (const char* name : {"Ada", "Grace", "Edsger"}) {
    co_await sleep(10ms);
    co_await room.arrivals.put(name);
  }
  room.arrivals.close();
}

Task<int> slow_answer() {
  co_await sleep(1s);
  co_return 42;
}

Task<> close_file() {
  co_await sleep(1ms);
  fmt::print("the file is flushed, whatever happened\n");
}

Task<> amain() {
  Room room;
  co_await gather(serve_room(room), guests_arrive(room));

  Queue<std::string> queue;
  std::string letter = "a letter";
  queue.try_put(letter);
  auto [message, tick] = co_await race(queue.get(), sleep(5s));  // whatever finished is here
  fmt::print("the race gave {}\n", message ? **message : "nothing");

  auto late = co_await as_result(timeout(20ms, slow_answer()));
  fmt::print("the slow answer: {}\n", late ? fmt::format("{}", *late) : late.message());

  auto none = co_await move_on_after(20ms, finally(slow_answer(), close_file));
  fmt::print("moved on {} an answer\n", none ? "with" : "without");
}

int main(int argc, char** argv) {
  example::CommandLine command_line("structure", "Groups, races, deadlines and cleanup at work.");
  if (const auto status = command_line.parse(argc, argv)) return *status;
  return example::run("structure", amain);
}
