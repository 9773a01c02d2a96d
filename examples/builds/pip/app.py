import idna

print("ahoy", idna.encode("bücher").decode())
