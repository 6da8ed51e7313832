#include "datasets/checksums.h"

#include <algorithm>
#include <array>
#include <openssl/evp.h>
#include <vector>

namespace millrace {
namespace {

constexpr std::array<KnownFile, 8> kKnownFiles = {{
    {"mnist", "train-images-idx3-ubyte", "f68b3c2dcbeaaa9fbdd348bbdeb94873", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
    {"mnist", "train-labels-idx1-ubyte", "d53e105ee54ea40749a09fcbcd1e9432", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
    {"mnist", "t10k-images-idx3-ubyte", "9fb629c4189551a2d022fa330f9573f3", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
    {"mnist", "t10k-labels-idx1-ubyte", "ec29112dd5afa0611ce80d1b7f02629c", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
    {"fashion-mnist", "train-images-idx3-ubyte", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
    {"fashion-mnist", "train-labels-idx1-ubyte", "25c81989df183df01b3e8a0aad5dffbe", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
    {"fashion-mnist", "t10k-images-idx3-ubyte", "bef4ecab320f06d8554ea6380940ec79", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
    {"fashion-mnist", "t10k-labels-idx1-ubyte", "bb300cfdad3c16e7a12a480ee83cd310", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
}};

EVP_MD_CTX* context_of(void* context) { return static_cast<EVP_MD_CTX*>(context); }

}  // namespace

std::span<const KnownFile> known_files() { return kKnownFiles; }

const KnownFile* find_known(std::string_view set, std::string_view file) {
  const auto* found = std::ranges::find_if(kKnownFiles, [&](const KnownFile& k) { return k.set == set && k.file == file; });
  return found == kKnownFiles.end() ? nullptr : found;
}

Checksum::Checksum(Kind kind) : context_(EVP_MD_CTX_new()) {
  const EVP_MD* algorithm = kind == Kind::md5 ? EVP_md5() : EVP_sha256();
  if (!context_ || EVP_DigestInit_ex(context_of(context_), algorithm, nullptr) != 1) {
    EVP_MD_CTX_free(context_of(context_));
    // Some systems forbid MD5 by policy.
    throw Error(ErrorKind::internal, kind == Kind::md5 ? "OpenSSL offers no MD5" : "OpenSSL offers no SHA-256", "switch verification off");
  }
}

Checksum::~Checksum() { EVP_MD_CTX_free(context_of(context_)); }

void Checksum::add(std::span<const std::uint8_t> bytes) { EVP_DigestUpdate(context_of(context_), bytes.data(), bytes.size()); }

std::string Checksum::finish() {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> sum{};
  unsigned length = 0;
  EVP_DigestFinal_ex(context_of(context_), sum.data(), &length);
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < length; ++i) {
    text.push_back(kDigits[sum[i] >> 4]);
    text.push_back(kDigits[sum[i] & 15]);
  }
  return text;
}

std::string checksum_of(const File& file, Checksum::Kind kind) {
  Checksum checksum(kind);
  std::vector<std::uint8_t> piece(256 << 10);
  for (std::uint64_t offset = 0;;) {
    const std::size_t got = file.read_some(offset, piece);
    if (got == 0) return checksum.finish();
    checksum.add(std::span(piece).first(got));
    offset += got;
  }
}

void report_unpublished(const std::filesystem::path& path, const std::string& cause, Verify verify, const WarningSink& warn) {
  if (verify == Verify::strict) throw data_error(path, cause, "fetch the file again, or do not verify strictly");
  if (verify == Verify::warn && warn) warn(path.string() + ": " + cause);
}

}  // namespace millrace
