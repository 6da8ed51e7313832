#include "pipeline/formats/file_format.h"

#include <algorithm>
#include <array>

namespace millrace {
namespace {

using namespace std::string_view_literals;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool begins(std::string_view text, std::size_t at, std::string_view with) { return text.size() >= at && text.substr(at).starts_with(with); }

bool begins_in_any_case(std::string_view text, std::string_view with) {
  return text.size() >= with.size() && std::ranges::equal(text.substr(0, with.size()), with, {}, lower);
}

struct Signature {
  std::size_t at;
  std::string_view bytes;
  const char* name;
};

constexpr std::array kSignatures{
    Signature{0, "GIF87a"sv, "a GIF file"},
    Signature{0, "GIF89a"sv, "a GIF file"},
    Signature{0, "II*\0"sv, "a TIFF file"},
    Signature{0, "MM\0*"sv, "a TIFF file"},
    Signature{0, "II+\0"sv, "a TIFF file"},
    Signature{0, "MM\0+"sv, "a TIFF file"},
    Signature{0, "\0\0\0\x0cJXL \r\n\x87\n"sv, "a JPEG XL file"},
    Signature{0, "\xff\x0a"sv, "a JPEG XL file"},
    Signature{0, "\0\0\0\x0cjP  \r\n\x87\n"sv, "a JPEG 2000 file"},
    Signature{0, "\xff\x4f\xff\x51"sv, "a JPEG 2000 file"},
    Signature{0, "II\xbc"sv, "a JPEG XR file"},
    Signature{0, "8BPS"sv, "a Photoshop file"},
    Signature{0, "\x76\x2f\x31\x01"sv, "an OpenEXR file"},
    Signature{0, "#?RADIANCE"sv, "a Radiance HDR file"},
    Signature{0, "\0\0\1\0"sv, "a Windows icon"},
    Signature{0, "\0\0\2\0"sv, "a Windows cursor"},
    Signature{0, "DDS "sv, "a DDS file"},
    Signature{0, "qoif"sv, "a QOI file"},
    Signature{0, "BPG\xfb"sv, "a BPG file"},
    Signature{0, "\x8aMNG"sv, "an MNG file"},
    Signature{0, "FLIF"sv, "a FLIF file"},
    Signature{0, "SIMPLE  ="sv, "a FITS file"},
    Signature{128, "DICM"sv, "a DICOM file"},
    Signature{0, "\0\x05\x16\x07"sv, "an AppleDouble file: what macOS keeps beside a picture, not the picture"},
    Signature{0, "\0\x05\x16\0"sv, "an AppleSingle file"},
    Signature{0, "version https://git-lfs.github.com/spec/"sv, "a Git LFS pointer in place of the picture: git lfs pull fetches it"},
    Signature{0, "%PDF"sv, "a PDF file"},
    Signature{0, "\x1f\x8b"sv, "a gzip file"},
    Signature{0, "PK\3\4"sv, "a zip file"},
    Signature{0, "\x28\xb5\x2f\xfd"sv, "a zstd file"},
    Signature{0, "\xfd"
                 "7zXZ\0"sv,
              "an xz file"},
    Signature{0, "BZh"sv, "a bzip2 file"},
    Signature{0, "7z\xbc\xaf\x27\x1c"sv, "a 7-zip file"},
    Signature{0, "Rar!"sv, "a RAR file"},
    Signature{257, "ustar"sv, "a tar file"},
    Signature{0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file"},
    Signature{0, "\x93NUMPY"sv, "a NumPy file"},
    Signature{0, "\x1a\x45\xdf\xa3"sv, "a Matroska or WebM video"},
};

/// Files of ISO boxes begin with their brands: the first is the major one, and some writers say what the file is only among the others.
std::string iso_media(std::string_view text) {
  if (!begins(text, 4, "ftyp")) return {};
  const auto first = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(text[i])); };
  const std::size_t box = std::min(text.size(), first(2) << 8 | first(3));
  const auto has_brand = [&](std::initializer_list<std::string_view> brands) {
    for (std::size_t at = 8; at + 4 <= box; at += at == 8 ? 8 : 4) // A version number follows the major brand.
      if (std::ranges::find(brands, text.substr(at, 4)) != brands.end()) return true;
    return false;
  };
  if (has_brand({"avif", "avis"})) return "an AVIF file";
  if (has_brand({"heic", "heix", "hevc", "hevx", "heim", "heis", "hevm", "hevs", "mif1", "msf1"})) return "a HEIC file";
  if (has_brand({"crx "})) return "a Canon raw file";
  return "an MP4 or QuickTime file";
}

std::string riff(std::string_view text) {
  if (!text.starts_with("RIFF") || text.size() < 12) return {};
  std::string type(text.substr(8, 4));
  for (char& c : type)
    if (c < 32 || c > 126) c = '?';
  return "a RIFF file of type '" + type + "'";
}

/// PBM, PGM, PPM and PAM: P, a digit, then white space.
std::string netpbm(std::string_view text) {
  constexpr const char* kNames[] = {"a PBM file", "a PGM file", "a PPM file", "a PBM file", "a PGM file", "a PPM file", "a PAM file"};
  if (text.size() < 3 || text[0] != 'P' || text[1] < '1' || text[1] > '7') return {};
  return " \t\r\n#"sv.find(text[2]) != std::string_view::npos ? kNames[text[1] - '1'] : "";
}

/// What servers send where a picture was asked for, and drawings.
std::string markup(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(" \t\r\n")));
  if (begins_in_any_case(text, "<!doctype html") || begins_in_any_case(text, "<html") || begins_in_any_case(text, "<head")) return "an HTML page";
  if (text.starts_with("<svg") || (text.starts_with("<?xml") && text.find("<svg") != std::string_view::npos)) return "an SVG drawing";
  if (text.starts_with("<?xml") || text.starts_with("<Error>")) return "an XML text";
  if (text.starts_with("{\"") || text.starts_with("[{")) return "a JSON text";
  return {};
}

std::string name_of_other(std::string_view text) {
  for (const Signature& signature : kSignatures)
    if (begins(text, signature.at, signature.bytes)) return signature.name;
  for (const auto& named : {iso_media, riff, netpbm, markup})
    if (std::string name = named(text); !name.empty()) return name;
  return {};
}

/// The name's ending if it is one of these, as the list writes it.
template <std::size_t n>
std::string_view ending_among(const std::array<std::string_view, n>& endings, std::string_view name) {
  for (const std::string_view ending : endings)
    if (name.size() >= ending.size() && begins_in_any_case(name.substr(name.size() - ending.size()), ending)) return ending;
  return {};
}

}  // namespace

FileFormat file_format(std::span<const std::uint8_t> first_bytes) {
  const std::string_view text(reinterpret_cast<const char*>(first_bytes.data()), std::min(first_bytes.size(), kFormatBytes));
  if (text.starts_with("\xff\xd8")) return {ImageFormat::jpeg, "a JPEG file"};
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return {ImageFormat::png, "a PNG file"};
  if (text.starts_with("RIFF") && begins(text, 8, "WEBP")) return {ImageFormat::webp, "a WebP file"};
  if (text.starts_with("BM")) return {ImageFormat::bmp, "a BMP file"};
  return {ImageFormat::none, name_of_other(text)};
}

bool is_decoded_ending(std::string_view name) {
  static constexpr std::array kEndings{".jpg"sv, ".jpeg"sv, ".png"sv, ".webp"sv, ".bmp"sv};
  return !ending_among(kEndings, name).empty();
}

std::string_view other_picture_ending(std::string_view name) {
  static constexpr std::array kEndings{".tif"sv,  ".tiff"sv, ".ppm"sv, ".pgm"sv, ".pbm"sv, ".pnm"sv, ".pam"sv, ".gif"sv, ".heic"sv, ".heif"sv,
                                       ".avif"sv, ".jxl"sv,  ".jp2"sv, ".j2k"sv, ".jpx"sv, ".jxr"sv, ".svg"sv, ".psd"sv, ".exr"sv,  ".hdr"sv,
                                       ".ico"sv,  ".dds"sv,  ".tga"sv, ".qoi"sv, ".dng"sv, ".nef"sv, ".cr2"sv, ".cr3"sv, ".arw"sv,  ".raf"sv,
                                       ".dcm"sv,  ".jfif"sv, ".jpe"sv, ".dib"sv, ".apng"sv};
  return ending_among(kEndings, name);
}

}  // namespace millrace
