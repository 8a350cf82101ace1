#pragma once

// Floors 0 to 3: loop, tasks, streams. Add <clearway/http.hpp> and others as needed.

#include <clearway/base/error.hpp>
#include <clearway/base/result.hpp>
#include <clearway/fiber/fiber.hpp>
#include <clearway/inspect/tasks.hpp>
#include <clearway/loop/loop.hpp>
#include <clearway/net/connect.hpp>
#include <clearway/net/listener.hpp>
#include <clearway/net/resolve.hpp>
#include <clearway/net/stream.hpp>
#include <clearway/net/udp_socket.hpp>
#include <clearway/task/clock.hpp>
#include <clearway/task/every.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/local.hpp>
#include <clearway/task/queue.hpp>
#include <clearway/task/race.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task.hpp>
#include <clearway/task/task_group.hpp>
#include <clearway/task/timeout.hpp>
#include <clearway/task/to_thread.hpp>
#include <clearway/task/with_scope.hpp>
