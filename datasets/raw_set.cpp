#define XXH_INLINE_ALL
#include "datasets/raw_set.h"

#include <array>
#include <utility>
#include <xxhash.h>

namespace millrace {
namespace {

std::string fingerprint_of(const RawSet& set) {
  const std::array<std::uint64_t, 6> parts = {set.labels.size(),
                                              static_cast<std::uint64_t>(set.size.width),
                                              static_cast<std::uint64_t>(set.size.height),
                                              static_cast<std::uint64_t>(set.channels),
                                              XXH3_64bits(set.labels.data(), set.labels.size()),
                                              XXH3_64bits(set.pixels.data(), set.pixels.size_bytes())};
  return hex64(XXH3_64bits(parts.data(), sizeof(parts)));
}

class RawSource final : public Source {
 public:
  explicit RawSource(RawSet set) : set_(std::move(set)) {
    image_bytes_ = static_cast<std::uint64_t>(set_.size.width) * static_cast<std::uint64_t>(set_.size.height) *
                   static_cast<std::uint64_t>(set_.channels);
    info_ = {.name = set_.name, .classes = set_.classes, .raw_size = set_.size, .channels = set_.channels, .fingerprint = fingerprint_of(set_), .path = set_.path};
    info_.class_sizes.resize(set_.classes.size());
    for (const std::uint8_t label : set_.labels) ++info_.class_sizes.at(label);
  }

  const SourceInfo& info() const override { return info_; }
  std::uint64_t size() const override { return set_.labels.size(); }
  std::string origin(std::uint64_t index) const override { return set_.name + "[" + std::to_string(index) + "]"; }

  Expected<Sample> read(std::uint64_t index, Buffer&) const override {
    if (index >= set_.labels.size()) {
      return tl::unexpected(Fault{.kind = FaultKind::missing, .index = index, .origin = origin(index), .detail = "beyond the end of the set"});
    }
    Sample sample;
    sample.pixels = {set_.pixels.data() + index * image_bytes_, set_.size.width, set_.size.height, set_.channels,
                     static_cast<std::ptrdiff_t>(set_.size.width) * set_.channels};
    sample.label = set_.labels[index];
    return sample;
  }

 private:
  RawSet set_;
  std::uint64_t image_bytes_ = 0;
  SourceInfo info_;
};

}  // namespace

std::unique_ptr<Source> make_raw_source(RawSet set) { return std::make_unique<RawSource>(std::move(set)); }

std::vector<std::string> numbered_classes(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

std::string hex64(std::uint64_t value) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (int i = 15; i >= 0; --i, value >>= 4) text[static_cast<std::size_t>(i)] = kDigits[value & 15];
  return text;
}

}  // namespace millrace
