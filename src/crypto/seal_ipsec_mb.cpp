#include "crypto/seal_context.hpp"

#ifdef RUNNEL_IPSEC_MB
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

namespace runnel::crypto {
namespace {

// The library's functions for this processor; nothing of its state is needed to call them, and they may be called on any thread.
struct Gcm {
  aes_gcm_pre_t expand = nullptr;
  aes_gcm_enc_dec_t seal = nullptr;
  aes_gcm_enc_dec_t open = nullptr;
};

Gcm find_functions() {
  Gcm found;
  IMB_MGR* const manager = alloc_mb_mgr(0);
  if (manager == nullptr) return found;
  init_mb_mgr_auto(manager, nullptr);
  constexpr std::uint64_t kNeeded = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
  if (imb_get_errno(manager) == 0 && (manager->features & kNeeded) == kNeeded)
    found = {manager->gcm128_pre, manager->gcm128_enc, manager->gcm128_dec};
  free_mb_mgr(manager);
  return found;
}

const Gcm& gcm() {
  static const Gcm kFunctions = find_functions();
  return kFunctions;
}

class IpsecMbSeal : public SealContext {
 public:
  explicit IpsecMbSeal(base::ByteView key) { gcm().expand(key.data(), &key_); }
  ~IpsecMbSeal() override { OPENSSL_cleanse(&key_, sizeof key_); }
  IpsecMbSeal(const IpsecMbSeal&) = delete;
  IpsecMbSeal& operator=(const IpsecMbSeal&) = delete;

  void seal(const SealNonce& nonce, base::ByteView header, base::ByteView plain, base::MutableByteView out) override {
    run(gcm().seal, nonce, header, plain, out.first(plain.size()), out.last(kSealTagSize));
  }

  bool open(const SealNonce& nonce, base::ByteView header, base::MutableByteView sealed) override {
    const base::MutableByteView text = sealed.first(sealed.size() - kSealTagSize);
    std::array<std::byte, kSealTagSize> tag{};
    run(gcm().open, nonce, header, text, text, tag);
    return CRYPTO_memcmp(tag.data(), sealed.last(kSealTagSize).data(), kSealTagSize) == 0;
  }

 private:
  void run(aes_gcm_enc_dec_t function, const SealNonce& nonce, base::ByteView header, base::ByteView in, base::MutableByteView out,
           base::MutableByteView tag) {
    alignas(kAligned) gcm_context_data scratch;
    function(&key_, &scratch, at(out), at(in), in.size(), at(nonce), at(header), header.size(), at(tag), tag.size());
  }
  static const std::uint8_t* at(base::ByteView bytes) { return reinterpret_cast<const std::uint8_t*>(bytes.data()); }
  static std::uint8_t* at(base::MutableByteView bytes) { return reinterpret_cast<std::uint8_t*>(bytes.data()); }

  static constexpr std::size_t kAligned = 64;   // its header says so only where LINUX is defined
  alignas(kAligned) gcm_key_data key_;
};

}  // namespace

std::unique_ptr<SealContext> make_ipsec_mb_seal(base::ByteView key) {
  if (gcm().seal == nullptr) return nullptr;
  return std::make_unique<IpsecMbSeal>(key);
}

}  // namespace runnel::crypto

#else

namespace runnel::crypto {

std::unique_ptr<SealContext> make_ipsec_mb_seal(base::ByteView) { return nullptr; }

}  // namespace runnel::crypto

#endif
