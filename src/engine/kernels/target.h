// Which instructions a tier's templates are compiled for.
//
// A tier's file includes what it needs of the standard library and the intrinsics first, then opens
// a target region and includes the templates in it. So only the templates use the tier's
// instructions: a function of the standard library that was compiled for them could be the one
// copy that the linker keeps for everybody.
#pragma once

// Small functions of the innermost loops.
#define CANAL_KERNEL inline __attribute__((always_inline))

#define CANAL_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define CANAL_TARGET_BEGIN(list) \
  CANAL_PRAGMA(clang attribute push(__attribute__((target(list))), apply_to = function))
#define CANAL_TARGET_END CANAL_PRAGMA(clang attribute pop)
#else
#define CANAL_TARGET_BEGIN(list) CANAL_PRAGMA(GCC push_options) CANAL_PRAGMA(GCC target(list))
#define CANAL_TARGET_END CANAL_PRAGMA(GCC pop_options)
#endif
