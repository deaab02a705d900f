#include "peregrine_speexdsp.h"

#include <stdlib.h>
#include <string.h>

#include "speex/speex_echo.h"
#include "speex/speex_preprocess.h"

struct peregrine_speexdsp {
	SpeexEchoState *echo;
	SpeexPreprocessState *preprocess;
	short *clean; /* a frame */
	int frame;
	int cancel;
};

peregrine_speexdsp *peregrine_speexdsp_new(int rate, int frame, int tail)
{
	peregrine_speexdsp *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->frame = frame;
	s->clean = calloc(frame, sizeof *s->clean);
	s->echo = speex_echo_state_init(frame, tail);
	s->preprocess = speex_preprocess_state_init(frame, rate);
	if (!s->clean || !s->echo || !s->preprocess) {
		peregrine_speexdsp_free(s);
		return NULL;
	}
	speex_echo_ctl(s->echo, SPEEX_ECHO_SET_SAMPLING_RATE, &rate);
	peregrine_speexdsp_set(s, 1, 0);
	return s;
}

void peregrine_speexdsp_free(peregrine_speexdsp *s)
{
	if (s->preprocess)
		speex_preprocess_state_destroy(s->preprocess);
	if (s->echo)
		speex_echo_state_destroy(s->echo);
	free(s->clean);
	free(s);
}

void peregrine_speexdsp_set(peregrine_speexdsp *s, int echo, int noise)
{
	/* Denoising stays on at 0 dB, for without it the preprocessor suppresses no residual echo either. */
	int on = 1, suppress = -noise;
	/* Of what the canceller leaves: to nothing while the far end talks alone, little while both do. */
	int alone = -45, both = -15;

	s->cancel = echo;
	speex_preprocess_ctl(s->preprocess, SPEEX_PREPROCESS_SET_DENOISE, &on);
	speex_preprocess_ctl(s->preprocess, SPEEX_PREPROCESS_SET_NOISE_SUPPRESS, &suppress);
	speex_preprocess_ctl(s->preprocess, SPEEX_PREPROCESS_SET_ECHO_SUPPRESS, &alone);
	speex_preprocess_ctl(s->preprocess, SPEEX_PREPROCESS_SET_ECHO_SUPPRESS_ACTIVE, &both);
	speex_preprocess_ctl(s->preprocess, SPEEX_PREPROCESS_SET_ECHO_STATE, echo ? s->echo : NULL);
}

void peregrine_speexdsp_reset(peregrine_speexdsp *s)
{
	speex_echo_state_reset(s->echo);
}

int peregrine_speexdsp_run(peregrine_speexdsp *s, short *microphone, const short *loudspeaker)
{
	int probability = 0;

	if (s->cancel) {
		speex_echo_cancellation(s->echo, microphone, loudspeaker, s->clean);
		memcpy(microphone, s->clean, s->frame * sizeof *s->clean);
	}
	speex_preprocess_run(s->preprocess, microphone);
	speex_preprocess_ctl(s->preprocess, SPEEX_PREPROCESS_GET_PROB, &probability);
	return probability;
}
