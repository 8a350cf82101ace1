#include <clearway/os/signals.hpp>

#include <algorithm>

namespace clearway {

Signals::Signals(std::initializer_list<int> signals)
    : watch_(
          Loop::current(), signals, [this](int number) { arrived(number); },
          SignalWatch::Repeat::calls) {}

void Signals::arrived(int number) {
  const auto same = std::find(waiting_.begin(), waiting_.end(), number);
  if (same == waiting_.end()) waiting_.push_back(number);
  changed_.set();
}

Task<int> Signals::next() {
  while (waiting_.empty()) {
    changed_.clear();
    co_await changed_.wait();
  }
  const int number = waiting_.front();
  waiting_.pop_front();
  co_return number;
}

}  // namespace clearway
