. /root/lead/e.sh; export OMP_NUM_THREADS=1
cd /tmp/rev21
t() { maquette run scenedreamer out=/tmp/rev21/outs stages.flight.size=[36,64] stages.flight.flight.frames=4 stages.flight.stills=1 stages.flight.styles=2 stages.flight.texture_size=32 stages.flight.mesh_step=8 "$@" ; }
