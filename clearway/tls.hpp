#pragma once

// TLS on streams.

#include <clearway/clearway.hpp>
#include <clearway/tls/context.hpp>
#include <clearway/tls/error.hpp>
#include <clearway/tls/handshake.hpp>
#include <clearway/tls/info.hpp>
#include <clearway/tls/options.hpp>
