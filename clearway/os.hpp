#pragma once

// What the operating system has besides sockets: files, processes, signals.

#include <clearway/clearway.hpp>
#include <clearway/os/file.hpp>
#include <clearway/os/pipe.hpp>
#include <clearway/os/process.hpp>
#include <clearway/os/signals.hpp>
