#include "peregrine_speex.h"

#include <stdlib.h>

#include "speex/speex.h"
#include "speex/speex_bits.h"

struct peregrine_speex {
	SpeexBits bits;
	void *encoder, *decoder; /* one of them */
	int samples;             /* of a frame */
};

static peregrine_speex *make(int wide)
{
	peregrine_speex *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->samples = wide ? 320 : 160;
	speex_bits_init(&s->bits);
	return s;
}

peregrine_speex *peregrine_speex_encoder(int wide, int quality)
{
	int complexity = 3;
	peregrine_speex *s = make(wide);
	if (!s)
		return NULL;
	s->encoder = speex_encoder_init(speex_lib_get_mode(wide ? SPEEX_MODEID_WB : SPEEX_MODEID_NB));
	if (!s->encoder) {
		peregrine_speex_free(s);
		return NULL;
	}
	speex_encoder_ctl(s->encoder, SPEEX_SET_COMPLEXITY, &complexity);
	peregrine_speex_quality(s, quality);
	return s;
}

peregrine_speex *peregrine_speex_decoder(int wide)
{
	int on = 1;
	peregrine_speex *s = make(wide);
	if (!s)
		return NULL;
	s->decoder = speex_decoder_init(speex_lib_get_mode(wide ? SPEEX_MODEID_WB : SPEEX_MODEID_NB));
	if (!s->decoder) {
		peregrine_speex_free(s);
		return NULL;
	}
	speex_decoder_ctl(s->decoder, SPEEX_SET_ENH, &on);
	return s;
}

void peregrine_speex_free(peregrine_speex *s)
{
	if (s->encoder)
		speex_encoder_destroy(s->encoder);
	if (s->decoder)
		speex_decoder_destroy(s->decoder);
	speex_bits_destroy(&s->bits);
	free(s);
}

void peregrine_speex_quality(peregrine_speex *s, int quality)
{
	speex_encoder_ctl(s->encoder, SPEEX_SET_QUALITY, &quality);
}

int peregrine_speex_encode(peregrine_speex *s, const short *pcm, int frames, char *out, int size)
{
	int i;

	speex_bits_reset(&s->bits);
	for (i = 0; i < frames; i++)
		speex_encode_int(s->encoder, (spx_int16_t *)pcm + i * s->samples, &s->bits);
	/* RFC 5574 3.3: a zero and then ones up to the byte. */
	speex_bits_insert_terminator(&s->bits);
	if (speex_bits_nbytes(&s->bits) > size)
		return -1;
	return speex_bits_write(&s->bits, out, size);
}

int peregrine_speex_decode(peregrine_speex *s, const char *payload, int length, short *pcm, int size)
{
	int n = 0;

	speex_bits_read_from(&s->bits, payload, length);
	/* RFC 5574 3.3: several frames follow each other without padding. Fewer than 5 bits cannot begin one, and the
	 * decoder itself knows the terminator, mode 15. */
	while (speex_bits_remaining(&s->bits) >= 5) {
		int result;
		/* A frame needs room before it is known to be one: the last may be a terminator. */
		if (n + s->samples > size)
			return speex_bits_peek_unsigned(&s->bits, 5) == 15 ? n : -2;
		result = speex_decode_int(s->decoder, &s->bits, pcm + n);
		if (result == -1)
			break;
		if (result != 0 || speex_bits_remaining(&s->bits) < 0)
			return -1;
		n += s->samples;
	}
	return n > 0 ? n : -1;
}

void peregrine_speex_conceal(peregrine_speex *s, short *pcm)
{
	speex_decode_int(s->decoder, NULL, pcm);
}
