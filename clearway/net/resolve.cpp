#include <clearway/net/resolve.hpp>

#include <algorithm>

#include <clearway/net/known_names.hpp>
#include <clearway/net/name_service.hpp>
#include <clearway/task/gather.hpp>

namespace clearway {

Task<std::vector<Address>> resolve(std::string host, std::uint16_t port, ResolveOptions options) {
  const std::string name = detail::ascii_name(host);
  if (auto known = detail::known_addresses(name, port)) co_return std::move(*known);

  auto& names = Loop::current().service<detail::NameService>();
  auto [v6, v4] =
      co_await gather(names.ask(name, AF_INET6, options), names.ask(name, AF_INET, options));
  std::vector<Address> addresses = v6.addresses;
  addresses.insert(addresses.end(), v4.addresses.begin(), v4.addresses.end());
  if (addresses.empty()) {
    std::vector<detail::NameAnswer> answers;
    answers.push_back(std::move(v6));
    answers.push_back(std::move(v4));
    detail::throw_resolve_error(host, answers);
  }
  // What there is no route to is tried last.
  const auto routed = static_cast<std::ptrdiff_t>(v6.addresses.size());
  if (routed > 0 && !detail::has_route(addresses.front())) {
    std::rotate(addresses.begin(), addresses.begin() + routed, addresses.end());
  }
  for (Address& address : addresses) address.set_port(port);
  co_return addresses;
}

}  // namespace clearway
