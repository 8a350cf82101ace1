#pragma once

// Where servers listen and clients connect, as one line of text.

#include <clearway/clearway.hpp>
#include <clearway/endpoint/client.hpp>
#include <clearway/endpoint/server.hpp>
