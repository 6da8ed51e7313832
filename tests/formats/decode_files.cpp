// Reads lines "channels exif path" and writes for each "ok WIDTH HEIGHT\n" and the pixels, or "KIND: DETAIL\n". For beside_pillow.py.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "pipeline/formats/image_decoder.h"

using namespace millrace;

int main() {
  std::map<std::pair<int, bool>, std::unique_ptr<Decoder>> decoders;
  Buffer canvas;
  int channels = 3;
  bool exif = false;
  for (std::string path; std::cin >> channels >> exif && std::getline(std::cin >> std::ws, path);) {
    std::ifstream in(path, std::ios::binary);
    const std::vector<char> file{std::istreambuf_iterator<char>(in), {}};
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(file.data()), file.size());
    auto& decoder = decoders[{channels, exif}];
    if (!decoder) decoder = make_image_decoder({.channels = channels, .apply_exif_orientation = exif});
    const Expected<ImageInfo> info = decoder->header(bytes);
    const Expected<ImageView> view = info ? decoder->decode(bytes, {0, 0, info->size.width, info->size.height}, canvas) : tl::make_unexpected(info.error());
    if (view) {
      std::printf("ok %d %d\n", view->width, view->height);
      for (int y = 0; y < view->height; ++y) std::fwrite(view->row(y), 1, static_cast<std::size_t>(view->width * view->channels), stdout);
    } else {
      std::printf("%s: %s\n", name_of(view.error().kind), view.error().detail.c_str());
    }
    std::fflush(stdout);
  }
}
