#include <clearway/loop/epoll_driver.hpp>

namespace clearway {

std::unique_ptr<Driver> make_default_driver() { return std::make_unique<EpollDriver>(); }

}  // namespace clearway
