// Microseconds for one image, median of the repetitions, for each level that the machine has. One argument: only names that contain it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "augment/dispatch.h"
#include "augment/ops.h"
#include "augment/timm.h"

using namespace millrace;
using namespace millrace::augment;

namespace {

std::vector<std::uint8_t> picture(Size size, int channels) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(size.width * size.height * channels));
  Rng rng({.seed = 7});
  for (int y = 0, i = 0; y < size.height; ++y)
    for (int x = 0; x < size.width; ++x)
      for (int c = 0; c < channels; ++c, ++i)
        pixels[static_cast<std::size_t>(i)] =
            static_cast<std::uint8_t>((x * 3 + y * 2 + c * 40 + static_cast<int>(rng.next32() % 24)) / 2 % 256);
  return pixels;
}

std::vector<std::uint8_t> digit() {  // Mostly black, as MNIST is.
  auto pixels = picture({28, 28}, 1);
  for (int i = 0; i < 784; ++i)
    if (const int x = i % 28, y = i / 28; std::abs(x - 14) > 3 || y < 5 || y > 22) pixels[static_cast<std::size_t>(i)] = 0;
  return pixels;
}

double median_us(const std::function<void(int)>& run, int count, double& best) {
  std::vector<double> times;
  run(count / 4 + 1);
  for (int r = 0; r < 9; ++r) {
    const auto began = std::chrono::steady_clock::now();
    run(count);
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - began).count() / count);
  }
  std::sort(times.begin(), times.end());
  best = times[0];
  return times[4];
}

struct Bench {
  std::string name;
  std::vector<Operation> operations;
  Size size;
  int channels;
  RecipeOptions options;
  int count;
  std::vector<std::uint8_t> pixels;
};

void run(const Bench& b) {
  RecipeOptions options = b.options;
  options.channels = b.channels;
  const auto recipe = compile(b.operations, options);
  std::vector<std::uint8_t> rows(recipe->format().bytes() * 64 + 64);
  std::uint8_t* base = rows.data() + (64 - reinterpret_cast<std::uintptr_t>(rows.data()) % 64) % 64;
  Scratch scratch;
  const ImageInfo info{b.size, b.channels};
  const ImageView view{b.pixels.data(), b.size.width, b.size.height, b.channels, b.size.width * b.channels};
  std::uint64_t sample = 0;
  double best = 0;
  const double us = median_us(
      [&](int n) {
        for (int i = 0; i < n; ++i) {
          const auto draw = recipe->draw(info, {.seed = 1, .sample = sample++});
          const Roi r = draw->framing.roi;
          const int left = std::max(0, r.left), top = std::max(0, r.top);
          const Roi inside{left, top, std::min(b.size.width, r.left + r.width) - left, std::min(b.size.height, r.top + r.height) - top};
          (void)recipe->apply(*draw, info, view.crop(inside), base + (static_cast<std::size_t>(i) % 64) * recipe->format().bytes(),
                              scratch);
        }
      },
      b.count, best);
  std::printf("  %-34s %9.3f us (best %9.3f) %12.0f images/s\n", b.name.c_str(), us, best, 1e6 / us);
}

}  // namespace

#include "cases.inc"

int main(int argc, char** argv) {
  for (const Level level : {Level::scalar, Level::avx2, Level::avx512}) {
    if (!supports(level)) continue;
    const ForcedLevel forced(level);
    std::printf("%s\n", name_of(level));
    for (const Bench& b : cases())
      if (argc < 2 || b.name.find(argv[1]) != std::string::npos) run(b);
  }
}
