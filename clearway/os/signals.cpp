#include <clearway/os/signals.hpp>

namespace clearway {

Signals::Signals(std::initializer_list<int> signals)
    : watch_(
          Loop::current(), signals, [this](int number) { arrived_.try_put(number); },
          SignalWatch::Repeat::calls) {}

Task<int> Signals::next() {
  const std::optional<int> number = co_await arrived_.get();
  co_return *number;
}

}  // namespace clearway
