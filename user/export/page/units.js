/* SPDX-License-Identifier: BSD-2-Clause
 *
 * units: numbers -> text for people, as user/base/fmt.h writes them.
 */

export function bytes(value) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
	let unit = 0, scaled = value;

	while (scaled >= (unit ? 1023.95 : 1023.5) && unit < units.length - 1) {
		scaled /= 1024;
		unit++;
	}
	return `${unit ? scaled.toFixed(1) : Math.round(scaled)} ${units[unit]}`;
}

export function count(value) {
	return Math.round(value).toLocaleString("en");
}

export function change(value) {
	return `${value <= -0.5 ? "-" : "+"}${bytes(Math.abs(value))}`;
}

export function rate(value) {
	return `${change(value)}/s`;
}

/* As the verdict says it. */
export function perMinute(perSecond) {
	return `${change(perSecond * 60)}/min`;
}

/* Of a confidence: "96 % sure"; nothing is certain. */
export function sure(confidence) {
	return confidence > 0.99 ? "over 99 % sure" : `${percent(confidence)} sure`;
}

/* "±29 %"; "not sure" where the interval reaches down to nothing; "" for what was counted (null) */
export function plusMinus(relative) {
	return relative === null ? "" : relative < 1 ? `±${percent(relative)}` : "not sure";
}

export function percent(fraction) {
	const value = fraction * 100;

	if (!(value > 0))
		return "0 %";
	if (value < 0.1)
		return "<0.1 %";
	return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} %`;
}

export function duration(seconds) {
	const s = Math.round(seconds);

	if (seconds < 1)
		return `${Math.round(seconds * 1000)} ms`;
	if (s < 60)
		return `${seconds < 9.95 ? seconds.toFixed(1) : s} s`;
	if (s < 3600)
		return `${Math.floor(s / 60)} min ${s % 60} s`;
	if (s < 48 * 3600)
		return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
	return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}
