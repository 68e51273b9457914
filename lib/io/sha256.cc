#include "io/sha256.h"

#include <openssl/evp.h>

#include <array>

namespace thaw {

struct Sha256::State {
  EVP_MD_CTX* context = ::EVP_MD_CTX_new();
  bool good = context != nullptr && ::EVP_DigestInit_ex(context, ::EVP_sha256(), nullptr) == 1;

  State() = default;
  ~State() { ::EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::byte> bytes) {
  State& s = *state_;
  s.good = s.good && ::EVP_DigestUpdate(s.context, bytes.data(), bytes.size()) == 1;
}

std::string Sha256::finish() {
  State& s = *state_;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (!s.good || ::EVP_DigestFinal_ex(s.context, digest.data(), &size) != 1) return {};
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 0xf];
  }
  return text;
}

}  // namespace thaw
