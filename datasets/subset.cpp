#define XXH_INLINE_ALL
#include "datasets/subset.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <random>
#include <utility>
#include <xxhash.h>

#include "datasets/raw_set.h"

namespace millrace {
namespace {

class SubsetSource final : public Source {
 public:
  SubsetSource(std::unique_ptr<Source> inner, std::vector<std::uint64_t> indices) : inner_(std::move(inner)), indices_(std::move(indices)) {
    info_ = inner_->info();
    info_.class_sizes.clear();  // Only reading them would tell.
    info_.unreadable.clear();  // They may lie outside of the subset.
    const std::string& whole = info_.fingerprint;
    info_.fingerprint = hex64(XXH3_64bits_withSeed(indices_.data(), indices_.size() * sizeof(std::uint64_t), XXH3_64bits(whole.data(), whole.size())));
  }
  const SourceInfo& info() const override { return info_; }
  std::uint64_t size() const override { return indices_.size(); }
  std::string origin(std::uint64_t index) const override { return inner_->origin(indices_.at(index)); }
  Expected<Sample> read(std::uint64_t index, Buffer& scratch) const override {
    if (index >= indices_.size()) {
      return tl::unexpected(Fault{.kind = FaultKind::missing, .index = index, .origin = info_.name, .detail = "beyond the end of the subset"});
    }
    auto sample = inner_->read(indices_[index], scratch);
    if (!sample) sample.error().index = index;
    return sample;
  }

 private:
  std::unique_ptr<Source> inner_;
  std::vector<std::uint64_t> indices_;
  SourceInfo info_;
};

}  // namespace

std::unique_ptr<Source> open_subset(std::unique_ptr<Source> inner, SubsetOptions options) {
  const std::uint64_t whole = inner->size();
  const std::uint64_t available = options.indices.empty() ? whole : options.indices.size();
  const std::string& name = inner->info().name;
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  if (options.count == 0 || available == 0) throw Error(ErrorKind::usage, "a subset of " + name + " without samples", "ask for at least one");
  if (options.count != kAll && options.count > available) {
    throw Error(ErrorKind::usage, "a subset of " + std::to_string(options.count) + " samples of " + name + ", which has " + std::to_string(available),
                "ask for at most " + std::to_string(available));
  }
  const std::uint64_t count = std::min(options.count, available);
  if (options.indices.empty()) {
    options.indices.resize(count);
    std::iota(options.indices.begin(), options.indices.end(), std::uint64_t{0});
  }
  options.indices.resize(count);
  options.indices.shrink_to_fit();
  const auto bad = std::ranges::find_if(options.indices, [&](std::uint64_t index) { return index >= whole; });
  if (bad != options.indices.end()) {
    throw Error(ErrorKind::usage, "entry " + std::to_string(bad - options.indices.begin()) + " of a subset is sample " + std::to_string(*bad) + ", but " + name +
                " has " + std::to_string(whole), "list indices below the size of the set");
  }
  return std::make_unique<SubsetSource>(std::move(inner), std::move(options.indices));
}

std::vector<std::uint64_t> numpy_legacy_permutation(std::uint64_t n, std::uint32_t seed) {
  if (n > (std::uint64_t{1} << 32)) throw Error(ErrorKind::usage, "a NumPy permutation of more than 2^32 entries", "use a smaller set");
  std::vector<std::uint64_t> order(n);
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  std::mt19937 words(seed);  // The standard's seeding is init_genrand.
  for (std::uint64_t i = n; i-- > 1;) {
    const std::uint64_t mask = (std::uint64_t{1} << std::bit_width(i)) - 1;
    std::uint64_t j = words() & mask;
    while (j > i) j = words() & mask;
    std::swap(order[i], order[j]);
  }
  return order;
}

}  // namespace millrace
