#pragma once

namespace clearway {

// Thrown out of an await whose cancel scope was cancelled. It is no std::exception, so that
// `catch (const std::exception&)` lets it pass; let it pass everywhere, the scope that was
// cancelled absorbs it at its edge.
struct Cancelled {};

}  // namespace clearway
