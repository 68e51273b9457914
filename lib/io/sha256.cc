// libcrypto's own functions for this one algorithm, not EVP: they allocate nothing, cannot fail,
// and read no configuration, so that a program with libcrypto inside (apps/portable.cmake) is small
// and does not load the modules that another libcrypto's openssl.cnf names. OpenSSL 3 calls them
// deprecated, and keeps them.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "io/sha256.h"

#include <openssl/sha.h>

#include <array>

namespace thaw {

struct Sha256::State {
  SHA256_CTX context;
  State() { ::SHA256_Init(&context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::byte> bytes) {
  ::SHA256_Update(&state_->context, bytes.data(), bytes.size());
}

std::string Sha256::finish() {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  ::SHA256_Final(digest.data(), &state_->context);
  std::string text;
  for (const unsigned char byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 0xf];
  }
  return text;
}

}  // namespace thaw
