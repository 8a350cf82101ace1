#include <clearway/base/descriptor.hpp>

#include <unistd.h>

namespace clearway {

void Descriptor::reset() noexcept {
  if (number_ >= 0) ::close(std::exchange(number_, -1));
}

}  // namespace clearway
