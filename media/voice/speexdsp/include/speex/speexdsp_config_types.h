/* The integer types that libspeexdsp's configure script would write here. */
#ifndef PEREGRINE_SPEEXDSP_CONFIG_TYPES_H
#define PEREGRINE_SPEEXDSP_CONFIG_TYPES_H

#include <stdint.h>

typedef int16_t spx_int16_t;
typedef uint16_t spx_uint16_t;
typedef int32_t spx_int32_t;
typedef uint32_t spx_uint32_t;

#endif
