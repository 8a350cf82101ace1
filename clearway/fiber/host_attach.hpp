#pragma once

namespace clearway::detail {

// Hands the table of host.hpp to the hooks, the first time. False: this program has no hooks.
bool attach_hooks() noexcept;

}  // namespace clearway::detail
