#include "pipeline/cached_source.h"

#include <utility>

namespace millrace {
namespace {

Sample sample_of(const CachedSample& kept) {
  Sample sample;
  sample.label = kept.label;
  if (kept.size == Size{})
    sample.bytes = {kept.data, kept.bytes};
  else
    sample.pixels = {kept.data, kept.size.width, kept.size.height, kept.channels, static_cast<std::ptrdiff_t>(kept.size.width) * kept.channels};
  return sample;
}

}  // namespace

CachedSource::CachedSource(const Source& plain, CacheHolds holds, std::uint64_t bound_bytes, std::function<std::unique_ptr<Decoder>()> make_decoder,
                           std::uint64_t picture_bytes)
    : plain_(plain), holds_(holds), make_decoder_(std::move(make_decoder)), picture_bytes_(picture_bytes), cache_(plain.size(), bound_bytes) {}

Expected<Sample> CachedSource::read(std::uint64_t index, Buffer& scratch) const {
  if (index >= size()) return plain_.read(index, scratch);  // Its fault.
  if (const CachedSample* kept = cache_.find(index)) return sample_of(*kept);
  Expected<Sample> sample = plain_.read(index, scratch);
  if (!sample || sample->raw()) return sample;  // Raw pixels live in their source already.
  if (const CachedSample* kept = keep(index, *sample)) return sample_of(*kept);
  return sample;
}

const CachedSample* CachedSource::keep(std::uint64_t index, const Sample& sample) const {
  return holds_ == CacheHolds::encoded ? cache_.keep(index, sample.label, sample.bytes) : keep_decoded(index, sample);
}

const CachedSample* CachedSource::keep_decoded(std::uint64_t index, const Sample& sample) const {
  std::unique_ptr<Desk> desk;
  {
    std::lock_guard lock(mutex_);
    if (!desks_.empty()) {
      desk = std::move(desks_.back());
      desks_.pop_back();
    }
  }
  if (!desk) desk = std::make_unique<Desk>(Desk{make_decoder_(), {}});
  const CachedSample* kept = nullptr;
  const Expected<ImageInfo> info = desk->decoder->header(sample.bytes);
  const auto bytes = [](const ImageInfo& i) { return static_cast<std::uint64_t>(i.size.width) * static_cast<std::uint64_t>(i.size.height) * static_cast<std::uint64_t>(i.channels); };
  if (info && !cache_.full_for(bytes(*info))) {
    const Expected<ImageView> whole = desk->decoder->decode(sample.bytes, {0, 0, info->size.width, info->size.height}, desk->canvas);
    if (whole) kept = cache_.keep(index, sample.label, *whole);
    if (picture_bytes_ && desk->canvas.capacity_bytes() > picture_bytes_) desk->canvas = {};
  }
  std::lock_guard lock(mutex_);
  desks_.push_back(std::move(desk));
  return kept;
}

}  // namespace millrace
