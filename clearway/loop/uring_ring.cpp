#include <clearway/loop/uring_ring.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <linux/time_types.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <clearway/base/error.hpp>
#include <clearway/loop/descriptor_limit.hpp>

namespace clearway {
namespace {

constexpr unsigned submission_entries = 512;
constexpr unsigned completion_entries = 4096;

// Without one of these the driver would need another design.
constexpr unsigned needed_features = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP |
                                     IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL |
                                     IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP;

unsigned setup_flags(UringRung rung) noexcept {
  constexpr unsigned always = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  constexpr unsigned newer = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG;
  switch (rung) {
    case UringRung::deferred:
      return always | newer | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    case UringRung::cooperative:
      return always | newer | IORING_SETUP_COOP_TASKRUN;
    case UringRung::plain:
      break;
  }
  return always;
}

std::string refusal(int code) {
  switch (code) {
    case ENOSYS:
      return "this kernel has none, or a seccomp filter hides it";
    case EPERM:
    case EACCES:
      return "it is forbidden here, by a seccomp filter (as containers have) or by the sysctl "
             "kernel.io_uring_disabled";
    case ENOMEM:
      return "no memory for it, or RLIMIT_MEMLOCK is too low (`ulimit -l`)";
    default:
      return system_message(code) + descriptor_limit_hint(code);
  }
}

// What the kernel moves is read, and what it reads is moved, with these.
unsigned load(const unsigned* word) noexcept {
  return std::atomic_ref<unsigned>(*const_cast<unsigned*>(word)).load(std::memory_order_acquire);
}

void store(unsigned* word, unsigned value) noexcept {
  std::atomic_ref<unsigned>(*word).store(value, std::memory_order_release);
}

}  // namespace

Mapping::Mapping(std::size_t size, int descriptor, std::uint64_t offset) : size_(size) {
  const int flags = descriptor < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE;
  void* const memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, descriptor, static_cast<off_t>(offset));
  if (memory == MAP_FAILED) throw SystemError("no memory for io_uring", errno);
  data_ = static_cast<char*>(memory);
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

UringRing::UringRing(UringRung highest) {
  io_uring_params parameters{};
  for (auto rung = static_cast<int>(highest);; ++rung) {
    rung_ = static_cast<UringRung>(rung);
    parameters = {};
    parameters.flags = setup_flags(rung_);
    parameters.cq_entries = completion_entries;
    const long made = ::syscall(__NR_io_uring_setup, submission_entries, &parameters);
    if (made >= 0) {
      descriptor_ = Descriptor(static_cast<int>(made));
      break;
    }
    // EINVAL: flags that this kernel does not know.
    const int code = errno;
    if (code != EINVAL || rung_ == UringRung::plain) {
      throw SystemError("no io_uring: " + refusal(code), code);
    }
  }
  if ((parameters.features & needed_features) != needed_features) {
    throw SystemError("no io_uring: this kernel's is older than Linux 5.17", ENOSYS);
  }
  map(parameters);
}

void UringRing::map(const io_uring_params& parameters) {
  const std::size_t submission_size =
      parameters.sq_off.array + parameters.sq_entries * sizeof(unsigned);
  const std::size_t completion_size =
      parameters.cq_off.cqes + parameters.cq_entries * sizeof(io_uring_cqe);
  rings_ = Mapping(std::max(submission_size, completion_size), descriptor(), IORING_OFF_SQ_RING);
  entries_ = Mapping(parameters.sq_entries * sizeof(io_uring_sqe), descriptor(), IORING_OFF_SQES);

  const auto word = [&](std::uint32_t offset) {
    return reinterpret_cast<unsigned*>(rings_.data() + offset);
  };
  submissions_ = reinterpret_cast<io_uring_sqe*>(entries_.data());
  head_ = word(parameters.sq_off.head);
  tail_ = word(parameters.sq_off.tail);
  flags_ = word(parameters.sq_off.flags);
  mask_ = *word(parameters.sq_off.ring_mask);
  local_tail_ = *tail_;
  // The kernel looks entries up through this array: each is where it is.
  for (unsigned index = 0; index < parameters.sq_entries; ++index) {
    word(parameters.sq_off.array)[index] = index;
  }
  completion_entries_ = reinterpret_cast<io_uring_cqe*>(rings_.data() + parameters.cq_off.cqes);
  completion_head_ = word(parameters.cq_off.head);
  completion_tail_ = word(parameters.cq_off.tail);
  completion_mask_ = *word(parameters.cq_off.ring_mask);
  completion_local_ = *completion_head_;
}

io_uring_sqe* UringRing::next_submission() noexcept {
  if (local_tail_ - load(head_) > mask_) return nullptr;
  io_uring_sqe& entry = submissions_[local_tail_++ & mask_];
  std::memset(&entry, 0, sizeof entry);
  return &entry;
}

bool UringRing::idle() const noexcept {
  return local_tail_ == load(head_) &&
         (load(flags_) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) == 0;
}

int UringRing::enter(unsigned least, Duration timeout) noexcept {
  store(tail_, local_tail_);
  __kernel_timespec limit{};
  io_uring_getevents_arg argument{};
  if (timeout >= Duration::zero()) {
    limit.tv_sec = timeout.count() / 1'000'000'000;
    limit.tv_nsec = timeout.count() % 1'000'000'000;
    argument.ts = reinterpret_cast<std::uint64_t>(&limit);
  }
  const unsigned count = local_tail_ - load(head_);
  const long done =
      ::syscall(__NR_io_uring_enter, descriptor(), count, least,
                IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
  return done < 0 ? -errno : static_cast<int>(done);
}

unsigned UringRing::completions() const noexcept {
  return load(completion_tail_) - completion_local_;
}

void UringRing::take() noexcept { store(completion_head_, ++completion_local_); }

bool UringBuffers::provide(const UringRing& ring) {
  table_ = Mapping(count * sizeof(io_uring_buf), -1, 0);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(table_.data());
  registration.ring_entries = count;
  registration.bgid = group;
  if (::syscall(__NR_io_uring_register, ring.descriptor(), IORING_REGISTER_PBUF_RING, &registration,
                1) != 0) {
    table_ = Mapping();
    return false;
  }
  memory_ = Mapping(std::size_t{count} * size, -1, 0);
  ring_ = reinterpret_cast<io_uring_buf*>(table_.data());
  for (unsigned number = 0; number < count; ++number) give_back(number);
  return true;
}

// The tail lies in what would be the reserved word of the first entry (io_uring_register(2)).
void UringBuffers::give_back(unsigned number) noexcept {
  io_uring_buf& entry = ring_[tail_ % count];
  entry.addr = reinterpret_cast<std::uint64_t>(data(number));
  entry.len = size;
  entry.bid = static_cast<std::uint16_t>(number);
  std::atomic_ref<std::uint16_t>(ring_[0].resv).store(++tail_, std::memory_order_release);
}

}  // namespace clearway
