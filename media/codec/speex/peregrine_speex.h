/* One direction of Speex with its bit buffer: what the Go binding calls, once per packet. */
#ifndef PEREGRINE_SPEEX_H
#define PEREGRINE_SPEEX_H

typedef struct peregrine_speex peregrine_speex;

/* wide: 16 kHz, else 8 kHz. NULL: out of memory. */
peregrine_speex *peregrine_speex_encoder(int wide, int quality);
peregrine_speex *peregrine_speex_decoder(int wide);
void peregrine_speex_free(peregrine_speex *s);

/* Sets the quality of an encoder, 0 to 10. */
void peregrine_speex_quality(peregrine_speex *s, int quality);

/* Encodes frames of 20 ms as one packet and returns its bytes, or -1 when out has no room. */
int peregrine_speex_encode(peregrine_speex *s, const short *pcm, int frames, char *out, int size);

/* Decodes all frames of a packet and returns the samples, -1 when it is damaged or -2 when pcm has no room. */
int peregrine_speex_decode(peregrine_speex *s, const char *payload, int length, short *pcm, int size);

/* Makes up 20 ms of sound for a lost frame. */
void peregrine_speex_conceal(peregrine_speex *s, short *pcm);

#endif
