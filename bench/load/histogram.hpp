#pragma once
// Times in buckets 1/32 of their own size wide: small enough to stay in the cache while it counts.

#include <bit>
#include <cstdint>
#include <vector>

namespace bench {

class Histogram {
 public:
  void add(std::uint64_t value) {
    ++counts_[bucket(value)];
    ++total_;
  }

  // The value that `share` (0 to 1) of all values do not exceed, as its bucket's lower edge.
  std::uint64_t quantile(double share) const {
    std::uint64_t left = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (left < counts_[i]) return lower_edge(i);
      left -= counts_[i];
    }
    return 0;
  }

 private:
  static constexpr unsigned bits = 5;

  static std::size_t bucket(std::uint64_t value) {
    if (value < 2U << bits) return value;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - bits - 1;
    return (std::size_t{shift} << bits) + static_cast<std::size_t>(value >> shift);
  }

  static std::uint64_t lower_edge(std::size_t bucket) {
    if (bucket < 2U << bits) return bucket;
    const std::size_t shift = (bucket >> bits) - 1;
    return static_cast<std::uint64_t>(bucket - (shift << bits)) << shift;
  }

  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>((64 - bits + 1) << bits);
  std::uint64_t total_ = 0;
};

}  // namespace bench
