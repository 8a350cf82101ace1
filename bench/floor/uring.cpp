// The floor on io_uring: floor_uring PORT. Multishot accept and receive into provided buffers, so a
// request costs one submission (its answer) and usually no system call of its own.

#include <liburing.h>
#include <unistd.h>

#include <algorithm>
#include <bench/floor/requests.hpp>

namespace {

enum class Kind : std::uint64_t { accept, receive, send };

constexpr unsigned buffers = 2048;  // a power of two
constexpr unsigned buffer_size = 2048;
constexpr int group = 0;

class Server {
 public:
  explicit Server(int listener) : listener_(listener), answers_(bench::many_answers()) {
    io_uring_params parameters{};
    parameters.flags =
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    parameters.cq_entries = 16384;
    const int made = io_uring_queue_init_params(4096, &ring_, &parameters);
    if (made < 0) errno = -made, bench::fail("io_uring_queue_init");
    provide_buffers();
    accept();
  }

  [[noreturn]] void run() {
    for (;;) {
      io_uring_submit_and_wait(&ring_, 1);
      io_uring_cqe* completion = nullptr;
      unsigned head = 0;
      unsigned seen = 0;
      returned_ = 0;
      io_uring_for_each_cqe(&ring_, head, completion) {
        ++seen;
        complete(*completion);
      }
      io_uring_buf_ring_advance(buffer_ring_, returned_);
      io_uring_cq_advance(&ring_, seen);
    }
  }

 private:
  void provide_buffers() {
    void* memory = nullptr;
    if (posix_memalign(&memory, 4096, buffers * sizeof(io_uring_buf)) != 0) std::abort();
    buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
    registration.ring_entries = buffers;
    registration.bgid = group;
    io_uring_buf_ring_init(buffer_ring_);
    bench::check(io_uring_register_buf_ring(&ring_, &registration, 0),
                 "io_uring_register_buf_ring");
    for (unsigned i = 0; i < buffers; ++i) give_back(i);
    io_uring_buf_ring_advance(buffer_ring_, returned_);
  }

  void give_back(unsigned buffer) {
    io_uring_buf_ring_add(buffer_ring_, memory_[buffer], buffer_size,
                          static_cast<unsigned short>(buffer), buffers - 1,
                          static_cast<int>(returned_++));
  }

  io_uring_sqe* submission(Kind kind, int descriptor) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    if (!entry) {
      io_uring_submit(&ring_);
      entry = io_uring_get_sqe(&ring_);
    }
    entry->user_data = static_cast<std::uint64_t>(kind) << 32 | static_cast<unsigned>(descriptor);
    return entry;
  }

  // The preparing functions overwrite user_data in some versions, so it is set again after them.
  template <class Prepare>
  void submit(Kind kind, int descriptor, Prepare prepare) {
    io_uring_sqe* entry = submission(kind, descriptor);
    const std::uint64_t data = entry->user_data;
    prepare(entry);
    entry->user_data = data;
  }

  void accept() {
    submit(Kind::accept, listener_, [&](io_uring_sqe* entry) {
      io_uring_prep_multishot_accept(entry, listener_, nullptr, nullptr, 0);
    });
  }

  void receive(int connection) {
    submit(Kind::receive, connection, [&](io_uring_sqe* entry) {
      io_uring_prep_recv_multishot(entry, connection, nullptr, 0, 0);
      entry->flags |= IOSQE_BUFFER_SELECT;
      entry->buf_group = group;
    });
  }

  void complete(const io_uring_cqe& completion) {
    const int descriptor = static_cast<int>(completion.user_data & 0xffffffff);
    const bool more = (completion.flags & IORING_CQE_F_MORE) != 0;
    switch (static_cast<Kind>(completion.user_data >> 32)) {
      case Kind::accept:
        if (completion.res >= 0) {
          matched_[completion.res] = 0;
          receive(completion.res);
        }
        if (!more) accept();
        break;
      case Kind::receive:
        received(descriptor, completion, more);
        break;
      case Kind::send:
        break;
    }
  }

  void received(int connection, const io_uring_cqe& completion, bool more) {
    if (completion.res <= 0 && completion.res != -ENOBUFS) {
      close(connection);
      return;
    }
    if (completion.res > 0) {
      const unsigned buffer = completion.flags >> IORING_CQE_BUFFER_SHIFT;
      const std::size_t requests = bench::count_requests(
          memory_[buffer], static_cast<std::size_t>(completion.res), matched_[connection]);
      give_back(buffer);
      if (requests > 0) answer(connection, requests);
    }
    if (!more) receive(connection);
  }

  void answer(int connection, std::size_t requests) {
    const std::size_t bytes = std::min(requests, bench::most_answers) * bench::answer.size();
    submit(Kind::send, connection, [&](io_uring_sqe* entry) {
      io_uring_prep_send(entry, connection, answers_.data(), bytes, MSG_NOSIGNAL | MSG_WAITALL);
    });
  }

  int listener_;
  std::string answers_;
  io_uring ring_{};
  io_uring_buf_ring* buffer_ring_ = nullptr;
  unsigned returned_ = 0;  // buffers given back but not yet shown to the kernel
  unsigned char matched_[bench::most_descriptors]{};
  char memory_[buffers][buffer_size];
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return std::fputs("usage: floor_uring PORT\n", stderr), 2;
  static Server server(bench::listen_on(std::atoi(arguments[1])));
  server.run();
}
