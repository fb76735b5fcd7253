function FindProxyForURL(url, host) {
	return "PROXY 10.50.0.1:8888";
}
