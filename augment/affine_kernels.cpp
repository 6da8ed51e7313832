#include "augment/affine_kernels.h"

#include <algorithm>
#include <cstring>

#include "augment/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "augment/affine_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "augment/rgbx-inl.h"

HWY_BEFORE_NAMESPACE();
namespace millrace::augment {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR

void NearestFixed(ImageView in, const FixedMap& m, const Fill& fill, MutableImageView out, Buffer&) {
  affine_nearest_fixed_plain(in, m, fill, out);
}
void Interpolated(ImageView in, const AffineMap& m, Filter filter, const Fill& fill, MutableImageView out, Buffer&) {
  affine_interpolated_plain(in, m, filter, fill, out);
}

#else

// Grey rows are bytes, RGB rows are 4-byte pixels.
template <int kChannels>
constexpr int kPixelBytes = kChannels == 1 ? 1 : 4;
constexpr int kSlack = 256;  // Bytes that vector loads and stores may touch beyond what they mean.

template <int kChannels>
void FinishRow(const std::uint8_t* line, MutableImageView out, int y) {
  if constexpr (kChannels == 1) {
    std::memcpy(out.row(y), line, static_cast<std::size_t>(out.width));
  } else {
    PackRgb(line, out.width, out.row(y));
  }
}

template <int kChannels>
void NearestRows(ImageView in, const FixedMap& m, const Fill& fill, MutableImageView out, std::uint8_t* line) {
  const hn::ScalableTag<std::int32_t> d;
  const hn::Rebind<std::uint32_t, decltype(d)> du;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const auto lanes = static_cast<int>(hn::Lanes(d));
  const auto width = hn::Set(d, in.width), height = hn::Set(d, in.height), before = hn::Set(d, -1);
  const auto stride = hn::Set(d, static_cast<std::int32_t>(in.stride_bytes)), channels = hn::Set(d, kChannels);
  // A pixel is fetched as 4 bytes; near the end of the picture from an earlier address, and shifted down.
  const auto last = hn::Set(d, static_cast<std::int32_t>((in.height - 1) * in.stride_bytes) + in.width * kChannels - 4);
  const auto outside = hn::Set(d, kChannels == 1 ? fill[0] : fill[0] | fill[1] << 8 | fill[2] << 16);
  const auto low = hn::Set(d, kChannels == 1 ? 0xff : 0xffffff);
  const auto* base = reinterpret_cast<const std::int32_t*>(in.data);
  const auto x_lanes = hn::Mul(hn::Iota(d, 0), hn::Set(d, m.x_column)), y_lanes = hn::Mul(hn::Iota(d, 0), hn::Set(d, m.y_column));
  // Unsigned: lanes beyond the row's end may wrap; they are never stored as pixels.
  const auto times = [](std::int32_t a, int b) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) * static_cast<std::uint32_t>(b));
  };
  const auto x_step = hn::Set(d, times(m.x_column, lanes)), y_step = hn::Set(d, times(m.y_column, lanes));
  for (int y = 0; y < out.height; ++y) {
    auto xx = hn::Add(hn::Set(d, m.x_start + y * m.x_row), x_lanes), yy = hn::Add(hn::Set(d, m.y_start + y * m.y_row), y_lanes);
    for (int x = 0; x < out.width; x += lanes) {
      const auto px = hn::ShiftRight<16>(xx), py = hn::ShiftRight<16>(yy);
      const auto inside = hn::And(hn::And(hn::Gt(px, before), hn::Lt(px, width)), hn::And(hn::Gt(py, before), hn::Lt(py, height)));
      const auto offset = hn::IfThenElseZero(inside, hn::Add(hn::Mul(py, stride), kChannels == 1 ? px : hn::Mul(px, channels)));
      const auto address = hn::Min(offset, last);
      const auto shift = hn::ShiftLeft<3>(hn::Sub(offset, address));
      const auto word = hn::BitCast(d, hn::Shr(hn::BitCast(du, hn::GatherOffset(d, base, address)), hn::BitCast(du, shift)));
      const auto pixel = hn::IfThenElse(inside, hn::And(word, low), outside);
      if constexpr (kChannels == 1) {
        hn::StoreU(hn::DemoteTo(d8, pixel), d8, line + x);
      } else {
        hn::StoreU(pixel, d, reinterpret_cast<std::int32_t*>(line) + x);
      }
      xx = hn::Add(xx, x_step);
      yy = hn::Add(yy, y_step);
    }
    FinishRow<kChannels>(line, out, y);
  }
}

void NearestFixed(ImageView in, const FixedMap& m, const Fill& fill, MutableImageView out, Buffer& scratch) {
  const std::ptrdiff_t reach = (in.height - 1) * in.stride_bytes + in.width * in.channels;
  if (in.stride_bytes < 0 || reach < 4 || reach > 0x7fffffff) return affine_nearest_fixed_plain(in, m, fill, out);
  std::uint8_t* line = scratch.reserve(static_cast<std::size_t>(out.width) * 4 + kSlack);
  in.channels == 1 ? NearestRows<1>(in, m, fill, out, line) : NearestRows<3>(in, m, fill, out, line);
}

// The picture with its edge pixels repeated around it, so that taps need no clamping.
struct Padded {
  const std::uint8_t* origin;  ///< Pixel (0, 0).
  std::int32_t stride_bytes;
};

template <int kChannels>
Padded Pad(ImageView in, int border, std::uint8_t* memory) {
  constexpr int kBytes = kPixelBytes<kChannels>;
  const auto stride = static_cast<std::size_t>((in.width + 2 * border) * kBytes);
  std::uint8_t* first = memory + static_cast<std::size_t>(border) * stride;
  for (int y = 0; y < in.height; ++y) {
    std::uint8_t* row = first + static_cast<std::size_t>(y) * stride;
    std::uint8_t* pixels = row + border * kBytes;
    if constexpr (kChannels == 1) {
      std::memcpy(pixels, in.row(y), static_cast<std::size_t>(in.width));
    } else {
      ExpandRgb(in.row(y), in.width, pixels);
    }
    for (int i = 0; i < border; ++i) {
      std::memcpy(row + i * kBytes, pixels, kBytes);
      std::memcpy(pixels + (in.width + i) * kBytes, pixels + (in.width - 1) * kBytes, kBytes);
    }
  }
  std::uint8_t* bottom = first + static_cast<std::size_t>(in.height) * stride;
  for (int i = 0; i < border; ++i) {
    std::memcpy(memory + static_cast<std::size_t>(i) * stride, first, stride);
    std::memcpy(bottom + static_cast<std::size_t>(i) * stride, bottom - stride, stride);
  }
  return {first + border * kBytes, static_cast<std::int32_t>(stride)};
}

using D = hn::ScalableTag<double>;
using DI = hn::Rebind<std::int32_t, D>;
using V = hn::Vec<D>;
using VI = hn::Vec<DI>;

HWY_INLINE VI Byte(VI word, int i) {
  const VI low = hn::Set(DI(), 0xff);
  switch (i) {
    case 0:
      return hn::And(word, low);
    case 1:
      return hn::And(hn::ShiftRight<8>(word), low);
    case 2:
      return hn::And(hn::ShiftRight<16>(word), low);
    default:
      return hn::And(hn::ShiftRight<24>(word), low);
  }
}

HWY_INLINE V Real(VI v) { return hn::PromoteTo(D(), v); }

// The taps of one row around x0: grey ones are the bytes of one word, RGB ones are a word each.
template <int kChannels, bool kCubic, bool kAcross>
struct TapRow {
  static constexpr int kTaps = !kAcross ? 1 : kCubic ? 4 : 2;
  static constexpr int kFirst = kAcross && kCubic ? -1 : 0;
  VI words[kChannels == 1 ? 1 : kTaps];

  HWY_INLINE void Fetch(const std::uint8_t* origin, VI offset) {
    if constexpr (kChannels == 1) {
      words[0] = hn::GatherOffset(DI(), reinterpret_cast<const std::int32_t*>(origin + kFirst), offset);
    } else {
      for (int i = 0; i < kTaps; ++i)
        words[i] = hn::GatherOffset(DI(), reinterpret_cast<const std::int32_t*>(origin + 4 * (kFirst + i)), offset);
    }
  }
  HWY_INLINE VI Tap(int i, int c) const { return kChannels == 1 ? Byte(words[0], i) : Byte(words[i], c); }
  // Integer combinations of taps are exact, so they may be formed before the conversion to double.
  HWY_INLINE V Value(V dx, int c) const {
    if constexpr (!kAcross) {
      return Real(Tap(0, c));
    } else if constexpr (!kCubic) {
      const VI a = Tap(0, c);
      return hn::Add(Real(a), hn::Mul(Real(hn::Sub(Tap(1, c), a)), dx));
    } else {
      const VI v1 = Tap(0, c), v2 = Tap(1, c), v3 = Tap(2, c), v4 = Tap(3, c);
      const VI v12 = hn::Sub(v1, v2), v34 = hn::Sub(v3, v4);
      const V q2 = Real(hn::Sub(v3, v1)), q3 = Real(hn::Add(hn::Add(v12, v12), v34)), q4 = Real(hn::Neg(hn::Add(v12, v34)));
      return hn::Add(Real(v2), hn::Mul(dx, hn::Add(q2, hn::Mul(dx, hn::Add(q3, hn::Mul(dx, q4))))));
    }
  }
};

template <bool kCubic, bool kDown>
HWY_INLINE V Combine(const V* rows, V dy) {
  if constexpr (!kDown) {
    return rows[0];
  } else if constexpr (!kCubic) {
    return hn::Add(rows[0], hn::Mul(hn::Sub(rows[1], rows[0]), dy));
  } else {
    const V v1 = rows[0], v2 = rows[1], v3 = rows[2], v4 = rows[3];
    const V two = hn::Set(D(), 2.0);
    const V q2 = hn::Sub(v3, v1), q3 = hn::Sub(hn::Add(hn::Mul(two, hn::Sub(v1, v2)), v3), v4);
    const V q4 = hn::Add(hn::Sub(hn::Sub(v2, v1), v3), v4);
    return hn::Add(v2, hn::Mul(dy, hn::Add(q2, hn::Mul(dy, hn::Add(q3, hn::Mul(dy, q4))))));
  }
}

// Where all taps of all lanes are alike the result is the tap: every product above is by zero. True of most of a digit.
template <int kChannels, class Row>
HWY_INLINE bool AllAlike(const Row* rows, int count) {
  if constexpr (kChannels != 1) {
    return false;
  } else {
    VI different = hn::Zero(DI());
    for (int j = 0; j < count; ++j) {
      const VI word = rows[j].words[0];
      different = hn::Or(different, hn::Xor(word, rows[0].words[0]));
      different = hn::Or(different, hn::Xor(word, hn::ShiftRight<8>(word)));
    }
    constexpr std::int32_t kUsed = Row::kTaps == 4 ? 0xffffff : 0xff;
    return hn::AllTrue(DI(), hn::Eq(hn::And(different, hn::Set(DI(), kUsed)), hn::Zero(DI())));
  }
}

struct Columns {
  const double *x, *y;  ///< a0 (x + 0.5) and a3 (x + 0.5), aligned, with a vector of slack.
};

template <int kChannels, bool kCubic, bool kAcross, bool kDown>
void InterpolatedRows(ImageView in, const Padded& source, const AffineMap& m, const Columns& columns, const Fill& fill,
                      MutableImageView out, std::uint8_t* line) {
  using Row = TapRow<kChannels, kCubic, kAcross>;
  constexpr int kRows = !kDown ? 1 : kCubic ? 4 : 2;
  constexpr int kFirstRow = kDown && kCubic ? -1 : 0;
  const D d;
  const DI di;
  const hn::Rebind<std::uint8_t, D> d8;
  const auto lanes = static_cast<int>(hn::Lanes(d));
  const V zero = hn::Zero(d), half = hn::Set(d, 0.5), width = hn::Set(d, in.width), height = hn::Set(d, in.height);
  const V limit = hn::Set(d, 255.0), a2 = hn::Set(d, m[2]), a5 = hn::Set(d, m[5]);
  const VI stride = hn::Set(di, source.stride_bytes);
  for (int y = 0; y < out.height; ++y) {
    const V row_x = hn::Set(d, m[1] * (y + 0.5)), row_y = hn::Set(d, m[4] * (y + 0.5));
    for (int x = 0; x < out.width; x += lanes) {
      V fx = hn::Add(hn::Add(hn::Load(d, columns.x + x), row_x), a2), fy = hn::Add(hn::Add(hn::Load(d, columns.y + x), row_y), a5);
      const auto inside = hn::And(hn::And(hn::Ge(fx, zero), hn::Lt(fx, width)), hn::And(hn::Ge(fy, zero), hn::Lt(fy, height)));
      fx = hn::Sub(hn::IfThenElseZero(inside, fx), half);
      fy = hn::Sub(hn::IfThenElseZero(inside, fy), half);
      const V floor_x = hn::Floor(fx), floor_y = hn::Floor(fy), dx = hn::Sub(fx, floor_x), dy = hn::Sub(fy, floor_y);
      VI column = hn::DemoteTo(di, floor_x);
      if constexpr (kChannels != 1) column = hn::ShiftLeft<2>(column);
      const VI offset = hn::Add(hn::Mul(hn::DemoteTo(di, floor_y), stride), column);
      Row rows[kRows];
      for (int j = 0; j < kRows; ++j) rows[j].Fetch(source.origin + (kFirstRow + j) * std::ptrdiff_t{source.stride_bytes}, offset);
      VI pixel = hn::Zero(di);
      const bool alike = AllAlike<kChannels>(rows, kRows);
      for (int c = 0; c < kChannels; ++c) {
        V value;
        if (alike) {
          value = Real(rows[0].Tap(0, c));
        } else {
          V parts[kRows];
          for (int j = 0; j < kRows; ++j) parts[j] = rows[j].Value(dx, c);
          value = Combine<kCubic, kDown>(parts, dy);
          if constexpr (kCubic) value = hn::Min(hn::Max(value, zero), limit);
        }
        value = hn::IfThenElse(inside, value, hn::Set(d, fill[static_cast<std::size_t>(c)]));
        const VI byte = hn::DemoteTo(di, value);
        pixel = c == 0 ? byte : hn::Or(pixel, c == 1 ? hn::ShiftLeft<8>(byte) : hn::ShiftLeft<16>(byte));
      }
      if constexpr (kChannels == 1) {
        hn::StoreU(hn::DemoteTo(d8, pixel), d8, line + x);
      } else {
        hn::StoreU(pixel, di, reinterpret_cast<std::int32_t*>(line) + x);
      }
    }
    FinishRow<kChannels>(line, out, y);
  }
}

template <int kChannels, bool kCubic>
void InterpolatedPicture(ImageView in, const AffineMap& m, const Fill& fill, MutableImageView out, Buffer& scratch) {
  constexpr int kBorder = kCubic ? 2 : 1;
  const auto align = [](std::size_t bytes) { return (bytes + 63) / 64 * 64; };
  const std::size_t columns_bytes = align(static_cast<std::size_t>(out.width) * 8 + kSlack);
  const std::size_t line_bytes = align(static_cast<std::size_t>(out.width) * 4 + kSlack);
  const std::size_t padded_bytes =
      static_cast<std::size_t>(in.width + 2 * kBorder) * static_cast<std::size_t>(in.height + 2 * kBorder) * kPixelBytes<kChannels>;
  // Slack before the picture: the first taps are fetched as whole words.
  std::uint8_t* memory = scratch.reserve(2 * columns_bytes + line_bytes + padded_bytes + 2 * kSlack);
  auto* column_x = reinterpret_cast<double*>(memory);
  auto* column_y = reinterpret_cast<double*>(memory + columns_bytes);
  std::uint8_t* line = memory + 2 * columns_bytes;
  for (int x = 0; x < out.width + 8; ++x) {
    column_x[x] = m[0] * (x + 0.5);
    column_y[x] = m[3] * (x + 0.5);
  }
  const Padded source = Pad<kChannels>(in, kBorder, line + line_bytes + kSlack);
  const Columns columns{column_x, column_y};
  // Shears and translations along one axis hit pixel centres exactly on the other: there the fraction is 0 and one tap is left.
  const bool across = !(m[0] == 1 && m[1] == 0 && m[2] == 0), down = !(m[3] == 0 && m[4] == 1 && m[5] == 0);
  if (across && down) {
    InterpolatedRows<kChannels, kCubic, true, true>(in, source, m, columns, fill, out, line);
  } else if (across) {
    InterpolatedRows<kChannels, kCubic, true, false>(in, source, m, columns, fill, out, line);
  } else {
    InterpolatedRows<kChannels, kCubic, false, true>(in, source, m, columns, fill, out, line);
  }
}

void Interpolated(ImageView in, const AffineMap& m, Filter filter, const Fill& fill, MutableImageView out, Buffer& scratch) {
  // Offsets are 32-bit.
  if ((std::int64_t{in.width} + 4) * (in.height + 4) * 4 > 0x7fffffff) return affine_interpolated_plain(in, m, filter, fill, out);
  if (in.channels == 1) {
    filter == Filter::bicubic ? InterpolatedPicture<1, true>(in, m, fill, out, scratch)
                              : InterpolatedPicture<1, false>(in, m, fill, out, scratch);
  } else {
    filter == Filter::bicubic ? InterpolatedPicture<3, true>(in, m, fill, out, scratch)
                              : InterpolatedPicture<3, false>(in, m, fill, out, scratch);
  }
}

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace millrace::augment
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace millrace::augment {
HWY_EXPORT(NearestFixed);
HWY_EXPORT(Interpolated);

void affine_nearest_fixed(ImageView in, const FixedMap& m, const Fill& fill, MutableImageView out, Buffer& scratch) {
  HWY_DYNAMIC_DISPATCH(NearestFixed)(in, m, fill, out, scratch);
}
void affine_interpolated(ImageView in, const AffineMap& m, Filter filter, const Fill& fill, MutableImageView out, Buffer& scratch) {
  HWY_DYNAMIC_DISPATCH(Interpolated)(in, m, filter, fill, out, scratch);
}
}  // namespace millrace::augment
#endif
