#include "train/relu_pool.h"

#include <array>

// Compiled for several instruction sets; the loader picks one. Selections and copies only: all give the same bits.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define MILLRACE_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define MILLRACE_CLONES
#endif

namespace millrace::train {
namespace {

constexpr std::uint8_t kNone = 4; ///< Where ReLU cuts the gradient off; 0-3: which of the four pixels it belongs to.

/// `n` outputs from two rows of inputs. torch's order: the first of equal values wins, and so does a NaN.
inline __attribute__((always_inline)) void pool(const float* __restrict upper, const float* __restrict lower, int n, float* __restrict out,
                                                std::uint8_t* __restrict which) {
  for (int j = 0; j < n; ++j) {
    float best = upper[2 * j];
    int index = 0;
    const auto meet = [&](float value, int k) __attribute__((always_inline)) {
      const bool take = (value > best) | (value != value);
      best = take ? value : best;
      index = take ? k : index;
    };
    meet(upper[2 * j + 1], 1);
    meet(lower[2 * j], 2);
    meet(lower[2 * j + 1], 3);
    const bool cut = best <= 0;
    out[j] = cut ? 0.0f : best;
    which[j] = static_cast<std::uint8_t>(cut ? int{kNone} : index);
  }
}

inline __attribute__((always_inline)) void spread(const float* __restrict gradient, const std::uint8_t* __restrict which, int n,
                                                  float* __restrict upper, float* __restrict lower) {
  for (int j = 0; j < n; ++j) {
    const float g = gradient[j];
    const int index = which[j];
    upper[2 * j] = index == 0 ? g : 0.0f;
    upper[2 * j + 1] = index == 1 ? g : 0.0f;
    lower[2 * j] = index == 2 ? g : 0.0f;
    lower[2 * j + 1] = index == 3 ? g : 0.0f;
  }
}

/// Calls block(at, n) so that all of 0 .. width - 1 is covered by blocks of a fixed size, which compile to vectors without a
/// remainder: the last one overlaps the one before it and does a part again.
template <int n, class Block>
inline __attribute__((always_inline)) void in_blocks(int width, Block&& block) {
  for (int at = 0; at + n < width; at += n) block(at, n);
  block(width - n, n);
}
template <class Block>
inline __attribute__((always_inline)) void cover(int width, Block&& block) {
  if (width >= 8) return in_blocks<8>(width, block);
  if (width >= 4) return in_blocks<4>(width, block);
  block(0, width);
}

MILLRACE_CLONES void pool_row(const float* upper, const float* lower, int width, float* out, std::uint8_t* which) {
  cover(width, [=](int at, int n) __attribute__((always_inline)) { pool(upper + 2 * at, lower + 2 * at, n, out + at, which + at); });
}

MILLRACE_CLONES void spread_row(const float* gradient, const std::uint8_t* which, int width, float* upper, float* lower) {
  cover(width, [=](int at, int n) __attribute__((always_inline)) { spread(gradient + at, which + at, n, upper + 2 * at, lower + 2 * at); });
}

constexpr std::int64_t kPlanesAtOnce = 64; ///< What is worth waking another thread for.

/// Sizes of the planes on both sides: in_height x in_width to height x width.
struct Planes {
  std::int64_t count, in_height, in_width, height, width;
};

Planes planes_of(at::IntArrayRef input) {
  return {input[0] * input[1], input[2], input[3], input[2] / 2, input[3] / 2};
}

class ReluPool final : public torch::autograd::Function<ReluPool> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x) {
    const Planes p = planes_of(x.sizes());
    at::Tensor out = at::empty({x.size(0), x.size(1), p.height, p.width}, x.options());
    at::Tensor which = at::empty(out.sizes(), x.options().dtype(at::kByte));
    const float* from = x.const_data_ptr<float>();
    float* to = out.data_ptr<float>();
    std::uint8_t* kept = which.data_ptr<std::uint8_t>();
    at::parallel_for(0, p.count, kPlanesAtOnce, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t plane = begin; plane < end; ++plane)
        for (std::int64_t y = 0; y < p.height; ++y) {
          const float* row = from + (plane * p.in_height + 2 * y) * p.in_width;
          const std::int64_t at = (plane * p.height + y) * p.width;
          pool_row(row, row + p.in_width, static_cast<int>(p.width), to + at, kept + at);
        }
    });
    context->save_for_backward({which});
    context->saved_data["in_height"] = p.in_height;
    context->saved_data["in_width"] = p.in_width;
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const at::Tensor which = context->get_saved_variables()[0];
    const at::Tensor gradient = gradients[0].contiguous();
    const std::int64_t in_height = context->saved_data["in_height"].toInt(), in_width = context->saved_data["in_width"].toInt();
    const Planes p = planes_of({which.size(0), which.size(1), in_height, in_width});
    const bool whole = in_height % 2 == 0 && in_width % 2 == 0; // Otherwise the last row or column gets no gradient.
    const std::array<std::int64_t, 4> sizes{which.size(0), which.size(1), in_height, in_width};
    at::Tensor result = whole ? at::empty(sizes, gradient.options()) : at::zeros(sizes, gradient.options());
    const float* from = gradient.const_data_ptr<float>();
    const std::uint8_t* kept = which.const_data_ptr<std::uint8_t>();
    float* to = result.data_ptr<float>();
    at::parallel_for(0, p.count, kPlanesAtOnce, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t plane = begin; plane < end; ++plane)
        for (std::int64_t y = 0; y < p.height; ++y) {
          float* row = to + (plane * p.in_height + 2 * y) * p.in_width;
          const std::int64_t at = (plane * p.height + y) * p.width;
          spread_row(from + at, kept + at, static_cast<int>(p.width), row, row + p.in_width);
        }
    });
    return {result};
  }
};

}  // namespace

at::Tensor relu_pool2x2(const at::Tensor& x) {
  if (x.device().is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 && x.is_contiguous()) return ReluPool::apply(x);
  // Pooling first gives the same values and gradients, with a quarter of the pixels left for the ReLU.
  return at::max_pool2d(x, {2, 2}).relu_();
}

}  // namespace millrace::train
