/* Who sees what of the library. */
#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_COMMON_COMMON_DEF_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_COMMON_COMMON_DEF_H__

#ifdef __cplusplus
#define VENUS_EXTERN_C extern "C"
#else
#define VENUS_EXTERN_C
#endif

#if defined(_WIN32)
#define DLL_EXPORTS
#else
#define DLL_EXPORTS __attribute__((visibility("default")))
#endif

#define VENUS_API DLL_EXPORTS
#define VENUS_C_API VENUS_EXTERN_C DLL_EXPORTS

#ifdef __VENUS_EXPORT_DLL__
#define VENUS_EXPORT DLL_EXPORTS
#else
#define VENUS_EXPORT
#endif

#endif
