#include <clearway/http/characters.hpp>
#include <clearway/http/message.hpp>

#include <array>

namespace clearway::http {

namespace {

constexpr std::array<std::string_view, 9> kMethods = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

std::optional<std::uint64_t> length_of(const detail::Facts& facts) noexcept {
  if (!facts.has_content_length) return std::nullopt;
  return facts.content_length;
}

bool persistent(const detail::Facts& facts) noexcept {
  if (facts.connection_close) return false;
  return facts.minor_version >= 1 || facts.connection_keep_alive;
}

}  // namespace

Method parse_method(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kMethods.size(); ++i) {
    if (kMethods[i].size() != name.size() || kMethods[i][0] != name[0]) continue;
    if (kMethods[i] == name) return static_cast<Method>(i);
  }
  return Method::Other;
}

std::string_view to_string(Method method) noexcept {
  const auto index = static_cast<std::size_t>(method);
  return index < kMethods.size() ? kMethods[index] : std::string_view();
}

bool is_idempotent(Method method) noexcept {
  switch (method) {
    case Method::Get:
    case Method::Head:
    case Method::Put:
    case Method::Delete:
    case Method::Options:
    case Method::Trace:
      return true;
    default:
      return false;
  }
}

std::string_view RequestHead::path() const noexcept {
  if (path_length_ == 0 && form_ == TargetForm::Absolute) {
    return method_ == Method::Options && query_at_ == 0 ? "*" : "/";
  }
  return view(path_at_, path_length_);
}

std::string_view RequestHead::host() const noexcept {
  if (authority_length_ != 0) return view(authority_at_, authority_length_);
  return facts_.has_host ? headers_[facts_.host_at].value : std::string_view();
}

bool RequestHead::keep_alive() const noexcept { return persistent(facts_); }

std::optional<std::uint64_t> RequestHead::content_length() const noexcept {
  return length_of(facts_);
}

BodyKind RequestHead::body_kind() const noexcept {
  if (facts_.chunked) return BodyKind::Chunked;
  return facts_.content_length != 0 ? BodyKind::Length : BodyKind::None;
}

void RequestHead::clear() noexcept {
  headers_.clear();
  facts_ = {};
  method_length_ = target_at_ = target_length_ = 0;
  authority_at_ = authority_length_ = path_at_ = path_length_ = query_at_ = query_length_ = 0;
  method_ = Method::Get;
  form_ = TargetForm::Origin;
}

std::optional<std::uint64_t> ResponseHead::content_length() const noexcept {
  return length_of(facts_);
}

BodyKind ResponseHead::body_kind(Method request) const noexcept {
  if (request == Method::Head || status_ < 200 || status_ == 204 || status_ == 304) {
    return BodyKind::None;
  }
  if (request == Method::Connect && status_ < 300) return BodyKind::None;
  if (facts_.chunked) return BodyKind::Chunked;
  if (!facts_.has_content_length) return BodyKind::UntilClose;
  return facts_.content_length != 0 ? BodyKind::Length : BodyKind::None;
}

bool ResponseHead::keep_alive(Method request) const noexcept {
  // A server that announces a body where none can be may well send one: do not wait for it.
  const bool bodiless = status_ < 200 || status_ == 204;
  if (bodiless && (facts_.chunked || facts_.content_length != 0)) return false;
  if (status_ == 101 || (request == Method::Connect && status_ < 300)) return false;
  return persistent(facts_) && body_kind(request) != BodyKind::UntilClose;
}

void ResponseHead::clear() noexcept {
  reason_.clear();
  headers_.clear();
  facts_ = {};
  status_ = 0;
}

}  // namespace clearway::http
