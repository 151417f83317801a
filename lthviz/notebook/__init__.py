"""What `import lthviz as lt` offers for one's own networks: prune, refill, regroup, hold, shrink, time and count, on any nn.Module.

Every function takes the network first and its masks second; what gives masks can be given wherever masks are asked for. Nothing here computes
anything by itself: core, nn and speed do, as in a run. torch is imported by what needs a network, and by nothing else.
"""
